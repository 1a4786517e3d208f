"""Values as literals that Snowflake reads to the same bits."""

from __future__ import annotations

import math
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ...ir import ColumnType
from ...models_sql import target_of
from .names import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SNOWFLAKE = target_of("snowflake")
NAN = "'NaN'::FLOAT"
_MINUS_ZERO = "(0::FLOAT * (-1)::FLOAT)"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - TIMESTAMP_NTZ has no zone
_YEARS = timedelta(days=365 * 1900)
"""Before 1970: the first years have fewer than four digits."""


def float_literal(value: float) -> str:
    """Write a float64: by whole numbers and powers of 2, each of which a FLOAT holds."""
    if math.isnan(value):
        return NAN
    if math.isinf(value):
        return f"'{'' if value > 0 else '-'}inf'::FLOAT"
    if value == 0 and math.copysign(1.0, value) < 0:
        return _MINUS_ZERO
    return _SNOWFLAKE.number(value)


def timestamp_literal(microseconds: int) -> str:
    """Write a time, of microseconds since 1970."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return literal(f"{moment:%Y-%m-%d %H:%M:%S.%f}") + "::TIMESTAMP_NTZ"


def is_certain(value: Any, column_type: ColumnType) -> bool:
    """Whether the literal surely reads back to the value.

    Nothing says that Snowflake keeps numbers below 2.2e-308, or reads years of other than four
    digits, as they are.
    """
    if isinstance(value, float):
        return not value or not abs(value) < sys.float_info.min
    if column_type is ColumnType.TIMESTAMP and value is not None:
        return abs(value) < _YEARS / timedelta(microseconds=1)
    return True


def value_literal(value: Any, column_type: ColumnType) -> str:
    """Write a value of a column, or a label."""
    return "NULL" if value is None else _WRITERS[column_type](value)


def _float(value: Any) -> str:
    return float_literal(float(value))


def _boolean(value: Any) -> str:
    return "TRUE" if value else "FALSE"


def _integer(value: Any) -> str:
    return str(int(value))


_WRITERS: Mapping[ColumnType, Callable[[Any], str]] = {
    ColumnType.DOUBLE: _float,
    ColumnType.BIGINT: _integer,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.VARCHAR: literal,
    ColumnType.TIMESTAMP: timestamp_literal,
}
