"""Values that have a type in Postgres and no place there: its COPY would refuse the whole batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .numbers import find_unfit, in_lists, wide_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

_FIRST_DAY, _LAST_DAY = -2_440_588, 2_145_042_905
"""4714-11-24 BC and 5874897-12-31, in days since 1970. A TIMESTAMP of DuckDB ends before theirs."""
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6}
_TEXT = "a zero byte, which a text in Postgres cannot have"
_TIME = "a time before 4714 BC, or a date behind 5874897, which Postgres does not have"


def unfit_values(rows: pa.Table) -> dict[int, str]:
    """Find the rows that Postgres would refuse, and say why; columns are those that it has."""
    return find_unfit(rows, _problem_of)


def _problem_of(column: pa.Array) -> tuple[Mask, str] | None:
    """Say which values have no place; None where all of the type have one."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = pc.fill_null(pc.match_substring(column, "\0"), fill_value=False)
        return found.to_numpy(zero_copy_only=False), _TEXT
    if pa.types.is_date32(kind):
        days = _whole(column, pa.int32())
        return ((days < _FIRST_DAY) | (days > _LAST_DAY)) & ~_is_infinite(days), _TIME
    if pa.types.is_timestamp(kind):
        moments = _whole(column, pa.int64())
        return (moments < _FIRST_DAY * 86_400 * _UNITS[kind.unit]) & ~_is_infinite(moments), _TIME
    return in_lists(column, _problem_of) or wide_numbers(column)


def _whole(column: pa.Array, kind: pa.DataType) -> np.ndarray:
    return pc.fill_null(column.cast(kind), 0).to_numpy(zero_copy_only=False)


def _is_infinite(values: np.ndarray) -> Mask:
    """Whether values are the two that DuckDB has for the infinities, which Postgres has too."""
    last = np.iinfo(values.dtype).max
    return (values == last) | (values == -last)
