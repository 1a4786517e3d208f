"""Values of JSON as columns, each what its text says or none at all."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from . import texts
from .columns import Leaf, List, Shape, Struct
from .types import sql_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_DECIMAL = re.compile(rb'("?)-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,5})?\1')
_HINTS: Mapping[pa.DataType, str] = {
    pa.date32(): texts.DATE_HINT,
    pa.timestamp("us"): texts.TIMESTAMP_HINT,
    pa.timestamp("us", "UTC"): texts.TIMESTAMPTZ_HINT,
    pa.float32(): "it is too large, or no FLOAT is nearest to it",
    pa.float64(): "a whole number without a point must be one that a DOUBLE holds",
}


def shape_of(type_: pa.DataType, members: Callable[[Any], tuple[Any, ...]]) -> Shape:
    """Say how decoded values become a column."""
    if pa.types.is_struct(type_):
        parts = [(field.name, shape_of(field.type, members)) for field in type_]
        return Struct(members, tuple(parts))
    if pa.types.is_list(type_):
        return List(shape_of(type_.value_type, members))
    hint = _HINTS.get(type_, f"it must be what {sql_type(type_)} holds exactly")
    return Leaf(type_, _conversion(type_), hint)


def _conversion(type_: pa.DataType) -> Callable[[Sequence[Any]], pa.Array]:
    if pa.types.is_float64(type_):
        return _doubles
    if pa.types.is_float32(type_):
        return _floats
    if pa.types.is_decimal(type_):
        return lambda values: pa.array([_decimal(each) for each in values], type_)
    if pa.types.is_temporal(type_):
        return lambda values: texts.read_texts(values, type_)
    return lambda values: pa.array(values, type_)


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
