"""Events in JSON: one object each, decoded by msgspec, which checks types while it reads."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import chain
from json import JSONDecoder
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ....errors import StreamError
from . import texts
from .columns import ColumnBuilder
from .reading import Read, keep
from .types import schema_of, sql_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_DECIMAL = re.compile(rb'("?)-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,5})?\1')
_UNSAFE_NAME = re.compile(r'[\\"\x00-\x1f]')
_COLON_ESCAPE = rb"\u003"
_MOST_NAMED = 80
_HINTS: Mapping[pa.DataType, str] = {
    pa.date32(): texts.DATE_HINT,
    pa.timestamp("us"): texts.TIMESTAMP_HINT,
    pa.timestamp("us", "UTC"): texts.TIMESTAMPTZ_HINT,
    pa.float32(): "it is too large, or no FLOAT is nearest to it",
    pa.float64(): "a whole number without a point must be one that a DOUBLE holds",
}


class JsonDecoder:
    """Decodes objects with the fields that are columns."""

    def __init__(self, columns: Mapping[str, str], *, refuse_unknown: bool) -> None:
        """Make a type of the columns, so that the decoder does the checks.

        Raises
        ------
        StreamError
            If a column has a type that JSON has no values of, or msgspec is not installed.
        """
        self.schema = schema_of(columns)
        msgspec = _import_msgspec()
        self._type = pa.struct(list(self.schema))
        for field in self.schema:
            _check_column(field)
        self._errors = msgspec.ValidationError
        row = _row_type(self._type, msgspec, refuse_unknown=refuse_unknown)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(row).decode
        members: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple
        self._members = members
        self._builder = ColumnBuilder(_leaf, lambda value, _: members(value), _hint)

    def read(self, payloads: Sequence[bytes]) -> Read:
        """Decode payloads."""
        bad: dict[int, str] = {}
        places: Sequence[int] = range(len(payloads))
        try:
            rows = list(map(self._decode, payloads))
        except (ValueError, RecursionError):  # msgspec's errors are kinds of ValueError
            rows, places, bad = self._read_singly(payloads)
        twice = self._find_twice([payloads[place] for place in places] if bad else payloads, rows)
        built = self._builder.build(rows, self._type)
        return keep(built.array, {**built.bad, **twice}, places, bad)

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
        if not isinstance(error, self._errors):
            return f"It is no JSON: {error}."
        what, _, path = str(error).rpartition(" - at `$")
        if not what:
            return f"{_shortened(path)}."
        return f"{_shortened(path[:-1].removeprefix('.'))}: {_shortened(what)}."

    def _find_twice(self, payloads: Sequence[bytes], rows: Sequence[Any]) -> dict[int, str]:
        """Find objects that have a field twice, of which the decoder takes the last, and bad UTF-8.

        Each field is followed by a colon, and other colons stand in texts. So no field stands
        twice, and none is ignored, if a batch has as many as its fields and texts together; only
        an escaped colon could make up for one more. Else each payload is looked at alone.
        """
        joined = b"\n".join(payloads)
        if joined.isascii() or _is_utf8(joined):
            expected = self._colons(rows, self._type)
            if joined.count(b":") == expected and _COLON_ESCAPE not in joined:
                return {}
        bad = {}
        for row, payload in enumerate(payloads):
            if reason := _problem_of(payload):
                bad[row] = reason
        return bad

    def _colons(self, values: Sequence[Any], type_: pa.DataType) -> int:
        """Count the colons that are needed to write values."""
        if pa.types.is_struct(type_):
            rows = [self._members(each) for each in values if each is not None]
            own = sum(1 + field.name.count(":") for field in type_)
            columns = zip(*rows, strict=True)
            return len(rows) * own + sum(
                self._colons(column, field.type)
                for column, field in zip(columns, type_, strict=bool(rows))
            )
        if pa.types.is_list(type_):
            elements = chain.from_iterable(each for each in values if each is not None)
            return self._colons(list(elements), type_.value_type)
        if type_ in _HINTS or pa.types.is_string(type_):
            return "".join(each for each in values if type(each) is str).count(":")
        return 0


def _import_msgspec() -> ModuleType:
    try:
        import msgspec
    except ImportError as error:
        message = "Events in JSON need msgspec: pip install 'foresql[streams]'"
        raise StreamError(message) from error
    return msgspec


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


def _row_type(type_: pa.StructType, msgspec: ModuleType, *, refuse_unknown: bool) -> Any:
    """Give the type of an object with all fields of a struct; others are ignored or refused."""
    fields = [
        (f"c{index}", _type_of(field.type, msgspec, refuse_unknown=refuse_unknown))
        for index, field in enumerate(type_)
    ]
    names = {f"c{index}": field.name for index, field in enumerate(type_)}
    return msgspec.defstruct(
        "Row", fields, rename=names, gc=False, forbid_unknown_fields=refuse_unknown
    )


def _type_of(type_: pa.DataType, msgspec: ModuleType, *, refuse_unknown: bool) -> Any:
    """Give the type by which the decoder checks values."""
    if pa.types.is_struct(type_):
        return _row_type(type_, msgspec, refuse_unknown=refuse_unknown) | None
    if pa.types.is_list(type_):
        return list[_type_of(type_.value_type, msgspec, refuse_unknown=refuse_unknown)] | None
    if pa.types.is_decimal(type_):
        return msgspec.Raw
    if pa.types.is_boolean(type_):
        return bool | None
    if pa.types.is_floating(type_):
        return int | float | None
    return int | None if type_ in _INTEGERS else str | None


def _leaf(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_float64(type_):
        return _doubles(values)
    if pa.types.is_float32(type_):
        return _floats(values)
    if pa.types.is_decimal(type_):
        return pa.array([_decimal(each) for each in values], type_)
    if type_ in _HINTS:
        return texts.read_texts(values, type_)
    return pa.array(values, type_)


def _doubles(values: Sequence[float | None]) -> pa.Array:
    """Take numbers; whole ones must be what a double can be."""
    try:
        return pa.array(values, pa.float64())
    except pa.ArrowInvalid:  # Arrow takes no whole numbers beyond 2**53, though some are doubles
        return pa.array([_exact(each) for each in values], pa.float64())


def _exact(value: float | None) -> float | None:
    number = None if value is None else float(value)
    if number != value:
        message = "a whole number that is no double"
        raise ValueError(message)
    return number


def _floats(values: Sequence[float | None]) -> pa.Array:
    """Take numbers, rounded once: what a double cannot tell from a tie is refused."""
    doubles = _doubles(values)
    wide = doubles.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        narrow = wide.astype(np.float32)
        away = np.nextafter(narrow, np.where(wide > narrow, np.inf, -np.inf).astype(np.float32))
        is_tie = (wide != narrow) & (wide - narrow == away.astype(np.float64) - wide)
    is_whole = np.fromiter((type(each) is int for each in values), np.bool_, len(values))
    if np.any(is_tie | np.isinf(narrow) | (is_whole & (wide != narrow))):
        message = "a number between two floats, or beyond them"
        raise ValueError(message)
    return pa.array(narrow, pa.float32(), mask=np.asarray(doubles.is_null()))


def _decimal(raw: Any) -> Decimal | None:
    """Take a number, or one that is a text, since many writers of JSON have no decimals."""
    written = b"null" if raw is None else bytes(raw)
    if written == b"null":
        return None
    if not _DECIMAL.fullmatch(written):
        message = "no number"
        raise ValueError(message)
    return Decimal(written.strip(b'"').decode())


def _hint(type_: pa.DataType) -> str:
    return _HINTS.get(type_, f"it must be what {sql_type(type_)} holds exactly")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class _TwiceError(Exception):
    """An object has a field twice."""


def _as_dict(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _TwiceError


# Numbers need not be made: the digits of one in an ignored field may be many.
_CHECKER = JSONDecoder(object_pairs_hook=_as_dict, parse_int=bool, parse_float=bool)


def _problem_of(payload: bytes) -> str | None:
    """Look at all of an object that was decoded already, also at fields that are no columns."""
    try:
        _CHECKER.decode(payload.decode())
    except UnicodeDecodeError:
        return "It is not UTF-8."
    except _TwiceError:
        return "It has a field twice in one object."
    except RecursionError:
        return "It is nested too deeply."
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_NAMED else f"{text[:_MOST_NAMED]}…"
