"""Values of events that Postgres has no place for: zero bytes in text, and times before its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .layout import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST_DAY, _BEHIND_LAST_DAY = -2_440_588, 2_145_042_906
"""November 24 of 4714 BC, and the first day of the year 5874898."""
_FIRST_SECOND = -210_866_803_200
"""The same day; the last time of DuckDB is one of Postgres too."""
_LONGEST_KEY = 2000
"""An entry of an index may have 2,704 bytes, with numbers and what is between."""
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}


def unfit_rows(rows: pa.Table, key: Sequence[str]) -> Mapping[int, str]:
    """Say which rows Postgres would refuse, by which column and why; ``key`` has an index."""
    found: dict[int, str] = {}
    ids = [rows[name] for name in key if _has_length(rows[name].type)]
    if ids:
        sizes = sum(pc.fill_null(pc.binary_length(each), 0).to_numpy() for each in ids)
        for row in np.flatnonzero(sizes > _LONGEST_KEY).tolist():
            found[row] = f"The id has more than {_LONGEST_KEY} bytes, as many as Postgres indexes."
    for name, column in zip(rows.column_names, plain(rows).columns, strict=True):
        reason, bad = _unfit(column.combine_chunks())
        for row in bad.tolist():
            found.setdefault(row, f"{name} has {reason}, which Postgres cannot hold.")
    return found


def _has_length(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_binary(type_)


def _unfit(values: pa.Array) -> tuple[str, np.ndarray]:
    """Say what is wrong with values, and with which."""
    type_ = values.type
    if pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_):
        reason, bad = _unfit(pc.list_flatten(values))
        owners = pc.list_parent_indices(values).to_numpy()
        return reason, owners[bad]
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "a zero byte", _where(pc.match_substring(values, "\0"))
    if pa.types.is_date32(type_):
        return "a time", _beyond(values, pa.int32(), _FIRST_DAY, _BEHIND_LAST_DAY)
    if pa.types.is_timestamp(type_) and type_.unit in _UNITS:
        return "a time", _beyond(values, pa.int64(), _FIRST_SECOND * _UNITS[type_.unit], None)
    return "", np.empty(0, np.int64)


def _beyond(values: pa.Array, type_: pa.DataType, first: int, behind: int | None) -> np.ndarray:
    """Find times outside of bounds; DuckDB writes infinite ones as the greatest number."""
    numbers = values.view(type_)
    most = np.iinfo(type_.to_pandas_dtype()).max
    is_finite = pc.and_(pc.not_equal(numbers, most), pc.not_equal(numbers, -most))
    is_beyond = pc.less(numbers, first)
    if behind is not None:
        is_beyond = pc.or_(is_beyond, pc.greater_equal(numbers, behind))
    return _where(pc.and_(is_beyond, is_finite))


def _where(mask: pa.BooleanArray) -> np.ndarray:
    return np.flatnonzero(mask.fill_null(False).to_numpy(zero_copy_only=False))
