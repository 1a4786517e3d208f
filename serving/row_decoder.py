"""Rows in JSON by feature name, checked while they are decoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from ..ir import ColumnType
from .features import read_time
from .http import bad

if TYPE_CHECKING:
    from collections.abc import Mapping

_INT64: Any = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_LEVEL: Any = Annotated[float, Meta(gt=0, lt=1)]
TYPES: Mapping[ColumnType, Any] = {
    ColumnType.DOUBLE: float | None,
    ColumnType.BIGINT: _INT64 | None,
    ColumnType.BOOLEAN: bool | None,
    ColumnType.VARCHAR: str | None,
    ColumnType.TIMESTAMP: str | None,
}
NOUNS: Mapping[ColumnType, str] = {
    ColumnType.DOUBLE: "a number",
    ColumnType.BIGINT: "an integer of 64 bits",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.VARCHAR: "text",
    ColumnType.TIMESTAMP: "a time as text",
}
_NO_FIELD = re.compile(r'[\\"\x00-\x1f]')
_PLACE = re.compile(r"\$\.rows\[(\d+)\]")


class RowDecoder:
    """Decodes ``{"rows": [{…}], "explain": false, "interval": 0.9}`` for one model."""

    def __init__(self, kinds: Mapping[str, ColumnType]) -> None:
        """Make a type of the columns, so that the decoder does the checks."""
        self._kinds = kinds
        self._times = [
            (index, name)
            for index, (name, kind) in enumerate(kinds.items())
            if kind is ColumnType.TIMESTAMP
        ]
        fields = {f"c{index}": name for index, name in enumerate(kinds)}
        self._is_typed = not any(_NO_FIELD.search(name) for name in kinds)
        row: Any = dict[str, Any]
        if self._is_typed:
            types = [(field, TYPES[kinds[name]]) for field, name in fields.items()]
            row = msgspec.defstruct("Row", types, rename=fields, forbid_unknown_fields=True)
        self._values = msgspec.defstruct(
            "Values", [(field, TYPES[kinds[name]]) for field, name in fields.items()]
        )
        body = msgspec.defstruct(
            "Body",
            [
                ("rows", list[row]),
                ("explain", bool, False),
                ("interval", _LEVEL | None, None),
            ],
            forbid_unknown_fields=True,
        )
        self._decoder = msgspec.json.Decoder(body)

    def decode(self, body: bytes) -> tuple[list[tuple[Any, ...]], bool, float | None]:
        """Give the rows in the signature's order, and what is asked beside the prediction.

        Raises
        ------
        Refusal
            If anything is missing, unknown or of another type; the message names the column.
        SignatureError
            If a text is no time.
        """
        try:
            asked: Any = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise bad(self._explained(str(error))) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise bad(f"The body is no JSON: {error}.") from error
        if self._is_typed:
            rows = [msgspec.structs.astuple(row) for row in asked.rows]
        else:
            rows = [self._checked(row, index) for index, row in enumerate(asked.rows)]
        if self._times:
            rows = [self._with_times(row, index) for index, row in enumerate(rows)]
        return rows, asked.explain, asked.interval

    def _checked(self, row: dict[str, Any], index: int) -> tuple[Any, ...]:
        """Check a row with names that a type cannot have."""
        for name in self._kinds:
            if name not in row:
                raise bad(f"Row {index}: feature {name!r} is missing.")
        for name in row:
            if name not in self._kinds:
                raise bad(f"Row {index}: {name!r} is no feature of the model.")
        values = {f"c{place}": row[name] for place, name in enumerate(self._kinds)}
        try:
            return msgspec.structs.astuple(msgspec.convert(values, self._values))
        except msgspec.ValidationError as error:
            what, _, place = str(error).rpartition(" - at `$.c")
            name = list(self._kinds)[int(place.rstrip("`"))]
            raise bad(f"Row {index}: feature {name!r}: {what}.") from error

    def _with_times(self, row: tuple[Any, ...], number: int) -> tuple[Any, ...]:
        values = list(row)
        for index, name in self._times:
            values[index] = read_time(values[index], name, f"Row {number}: column")
        return tuple(values)

    def _explained(self, message: str) -> str:
        """Say in terms of rows and features what the decoder says in terms of types."""
        what, _, path = message.rpartition(" - at `")
        path = path[:-1]
        place = _PLACE.match(path)
        if place is None:
            return f'{message}. The body is {{"rows": [{{feature: value, …}}, …]}}.'
        where = f"Row {place[1]}"
        named = path[place.end() :].removeprefix(".")
        if named in self._kinds:
            return (
                f"{where}: feature {named!r} must be {NOUNS[self._kinds[named]]}, or null. {what}."
            )
        for old, new in (
            ("Object missing required field ", "feature is missing: "),
            ("Object contains unknown field ", "the model has no such feature: "),
        ):
            what = what.replace(old, new)
        return f"{where}: {what}."
