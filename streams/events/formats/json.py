"""Events in JSON: one object each, decoded by msgspec, which checks types while it reads."""

from __future__ import annotations

import re
from itertools import chain
from json import JSONDecoder
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ....errors import StreamError
from .columns import build_batch, transposed
from .importing import import_extra
from .json_values import shape_of
from .reading import Read, keep
from .types import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_UNSAFE_NAME = re.compile(r'[\\"\x00-\x1f]')
_ESCAPED_COLONS = (rb"\u003a", rb"\u003A")
_MOST_NAMED = 80
_MOST_LEARNED = 64
_LOOKED_AT = 16


class JsonDecoder:
    """Decodes objects with the fields that are columns."""

    def __init__(
        self, columns: Mapping[str, str], *, refuse_unknown: bool, may_miss: bool = False
    ) -> None:
        """Make a type of the columns, so that the decoder does the checks.

        Parameters
        ----------
        columns
            From names to SQL types.
        refuse_unknown
            Whether an object may not have other fields.
        may_miss
            Whether a field that is not there is NULL.

        Raises
        ------
        StreamError
            If a column has a type that JSON has no values of, or msgspec is not installed.
        """
        self.schema = schema_of(columns)
        for field in self.schema:
            _check_column(field)
        self._msgspec = import_extra("msgspec", "msgspec", "streams", "Events in JSON")
        self._refuse_unknown = refuse_unknown
        self._may_miss = may_miss
        self._type = pa.struct(list(self.schema))
        self._learned: list[str] = []
        self._decode = self._decoder()
        self._any = self._msgspec.json.Decoder(dict[str, self._msgspec.Raw]).decode
        self._parts = [(each.name, shape_of(each.type, self._values)) for each in self._type]

    def read(self, payloads: Sequence[bytes]) -> Read:
        """Decode payloads."""
        bad: dict[int, str] = {}
        places: Sequence[int] = range(len(payloads))
        try:
            rows = list(map(self._decode, payloads))
        except (ValueError, RecursionError):  # msgspec's errors are kinds of ValueError
            rows, places, bad = self._read_singly(payloads)
        readable = [payloads[place] for place in places] if bad else payloads
        columns = self._columns(rows, len(self._parts) + len(self._learned))
        is_whole = self._is_whole(readable, len(rows), columns)
        wrong = {} if is_whole else _problems_in(readable, self._type)
        batch, refused = build_batch(self._without_unset(columns), self._parts)
        return keep(batch, {**refused, **wrong}, places, bad)

    def _decoder(self) -> Any:
        """Make the function that decodes an object, learned fields behind those of columns."""
        row = self._row_type(self._type, self._learned)
        return self._msgspec.json.Decoder(row).decode

    def _row_type(self, type_: pa.StructType, learned: Sequence[str] = ()) -> Any:
        """Give the type of an object with the fields of a struct."""
        unset = self._msgspec.UNSET
        raw = self._msgspec.Raw | self._msgspec.UnsetType
        names = [field.name for field in type_] + list(learned)
        fields: list[Any] = [(f"c{i}", self._type_of(each.type)) for i, each in enumerate(type_)]
        if self._may_miss:
            fields = [(name, each | self._msgspec.UnsetType, unset) for name, each in fields]
        width = len(fields)
        fields += [(f"c{width + index}", raw, unset) for index in range(len(learned))]
        return self._msgspec.defstruct(
            "Row",
            fields,
            rename={f"c{index}": name for index, name in enumerate(names)},
            gc=False,
            forbid_unknown_fields=self._refuse_unknown,
        )

    def _type_of(self, type_: pa.DataType) -> Any:
        """Give the type by which the decoder checks values."""
        if pa.types.is_struct(type_):
            return self._row_type(type_) | None
        if pa.types.is_list(type_):
            return list[self._type_of(type_.value_type)] | None
        if pa.types.is_decimal(type_):
            return self._msgspec.Raw
        if pa.types.is_boolean(type_):
            return bool | None
        if pa.types.is_floating(type_):
            return int | float | None
        return int | None if type_ in _INTEGERS else str | None

    def _values(self, row: Any) -> tuple[Any, ...]:
        """Give an object's values, None for those that are not there."""
        values = self._msgspec.structs.astuple(row)
        if self._may_miss:
            return tuple(None if each is self._msgspec.UNSET else each for each in values)
        return values

    def _read_singly(
        self, payloads: Sequence[bytes]
    ) -> tuple[list[Any], list[int], dict[int, str]]:
        rows: list[Any] = []
        places: list[int] = []
        bad: dict[int, str] = {}
        for place, payload in enumerate(payloads):
            try:
                rows.append(self._decode(payload))
            except (ValueError, RecursionError) as error:
                bad[place] = self._explained(error)
            else:
                places.append(place)
        return rows, places, bad

    def _explained(self, error: Exception) -> str:
        """Say in terms of columns what the decoder says in terms of types."""
        if isinstance(error, RecursionError):
            return "It is nested too deeply."
        if isinstance(error, UnicodeDecodeError):
            return "It is not UTF-8."
        if not isinstance(error, self._msgspec.ValidationError):
            return f"It is no JSON: {error}."
        what, _, path = str(error).rpartition(" - at `$")
        if not what:
            return f"{_shortened(path)}."
        return f"{_shortened(path[:-1].removeprefix('.'))}: {_shortened(what)}."

    def _columns(self, rows: Sequence[Any], width: int) -> Sequence[Sequence[Any]]:
        """Take objects apart: the columns' fields, and behind them those that were learned."""
        return transposed(list(map(self._msgspec.structs.astuple, rows)), width)

    def _without_unset(self, columns: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Give the columns' fields, with None for those that are not there."""
        own = columns[: len(self._parts)]
        if not self._may_miss:
            return own
        unset = self._msgspec.UNSET
        return [[None if each is unset else each for each in column] for column in own]

    def _is_whole(
        self, payloads: Sequence[bytes], number: int, columns: Sequence[Sequence[Any]]
    ) -> bool:
        """Say whether objects are UTF-8, and surely have no field twice.

        The decoder takes the last of two fields, and does not look into texts that it ignores. But
        a colon stands behind each field's name, and all others stand in texts. So where a batch has
        as many colons as its values need, there is no further field; only an escaped colon in a
        value could make up for one. Fields that are no columns are learned from the first batch
        that has them, so that theirs are counted too.
        """
        joined = b"\n".join(payloads)
        if not joined.isascii() and not _is_utf8(joined):
            return False
        if b"\\" in joined and any(each in joined for each in _ESCAPED_COLONS):
            return False
        there = joined.count(b":")
        if there == self._colons_of_objects(number, columns, self._type, self._learned):
            return True
        if not self._learn(payloads):
            return False
        width = len(self._parts) + len(self._learned)
        again = self._columns(list(map(self._decode, payloads)), width)
        return there == self._colons_of_objects(number, again, self._type, self._learned)

    def _learn(self, payloads: Sequence[bytes]) -> bool:
        """Find fields that are no columns; say whether there were new ones."""
        known = {*self.schema.names, *self._learned}
        seen = dict.fromkeys(
            name
            for payload in payloads[:_LOOKED_AT]
            for name in self._any(payload)
            if name not in known and not _UNSAFE_NAME.search(name)
        )
        new = list(seen)[: _MOST_LEARNED - len(self._learned)]
        if new:
            self._learned += new
            self._decode = self._decoder()
        return bool(new)

    def _colons(self, values: Sequence[Any], type_: pa.DataType) -> int:
        """Count the colons that are needed to write values."""
        if pa.types.is_struct(type_):
            objects = [each for each in values if each]  # neither null nor unset
            columns = self._columns(objects, type_.num_fields)
            return self._colons_of_objects(len(objects), columns, type_)
        if pa.types.is_list(type_):
            return self._colons(list(chain.from_iterable(filter(None, values))), type_.value_type)
        if pa.types.is_temporal(type_) or pa.types.is_string(type_):
            return "".join(filter(None, values)).count(":")
        return 0

    def _colons_of_objects(
        self,
        number: int,
        columns: Sequence[Sequence[Any]],
        type_: pa.StructType,
        learned: Sequence[str] = (),
    ) -> int:
        unset = self._msgspec.UNSET
        total = 0
        for column, field in zip(columns, type_, strict=False):
            there = number - (column.count(unset) if self._may_miss else 0)
            total += there * (1 + field.name.count(":")) + self._colons(column, field.type)
        for column, name in zip(columns[type_.num_fields :], learned, strict=True):
            written = [each for each in column if each is not unset]
            total += len(written) * (1 + name.count(":")) + b"".join(written).count(b":")
        return total


def _check_column(field: pa.Field) -> None:
    """Refuse what JSON has no values of, and names that its decoder cannot look for."""
    if _UNSAFE_NAME.search(field.name):
        message = f"Column {field.name!r}: JSON is read by names without quotes and backslashes."
        raise StreamError(message)
    if pa.types.is_binary(field.type):
        message = (
            f"Column {field.name!r}: JSON has no bytes. Take VARCHAR, and say in the query "
            "what its text is: from_base64(…), from_hex(…)."
        )
        raise StreamError(message)
    for index in range(field.type.num_fields):
        _check_column(field.type.field(index))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Object(NamedTuple):
    """The fields of an object, and whether one of them is there twice."""

    fields: dict[str, Any]
    is_twice: bool


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    fields = dict(pairs)
    return _Object(fields, len(fields) != len(pairs))


# Numbers need not be made: the digits of one in an ignored field may be many.
_CHECKER = JSONDecoder(object_pairs_hook=_object, parse_int=bool, parse_float=bool)


def _problems_in(payloads: Iterable[bytes], type_: pa.StructType) -> dict[int, str]:
    looked = ((place, _problem_of(payload, type_)) for place, payload in enumerate(payloads))
    return {place: problem for place, problem in looked if problem is not None}


def _problem_of(payload: bytes, type_: pa.StructType) -> str | None:
    """Look at an object that was decoded already."""
    try:
        return _twice_in(_CHECKER.decode(payload.decode()), type_)
    except UnicodeDecodeError:
        return "It is not UTF-8."
    except RecursionError:
        return "It is nested too deeply."


def _twice_in(value: Any, type_: pa.DataType, path: str = "") -> str | None:
    """Find a field that is there twice, in the event or in a part of it that is a column's."""
    if pa.types.is_struct(type_) and isinstance(value, _Object):
        if value.is_twice:
            return f"{path or 'It'} has a field twice."
        parts = [(value.fields.get(each.name), each.type, f"{path}.{each.name}") for each in type_]
    elif pa.types.is_list(type_) and isinstance(value, list):
        parts = [(each, type_.value_type, f"{path}[]") for each in value]
    else:
        return None
    found = (_twice_in(each, part, where.removeprefix(".")) for each, part, where in parts)
    return next((problem for problem in found if problem is not None), None)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_NAMED else f"{text[:_MOST_NAMED]}…"
