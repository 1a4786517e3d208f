"""Whole numbers of more digits than a DECIMAL(38, 0) has, though it came as one.

DuckDB hands its HUGEINT over so, whatever the value is, and what reads such a number later breaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]
    Problem = tuple[Mask, str] | None

_DIGITS = 38
_NUMBER = f"a number of more than {_DIGITS} digits"


def unfit_numbers(rows: pa.Table) -> dict[int, str]:
    """Find the rows that have such a number, also in lists, and say so."""
    return find_unfit(rows, wide_numbers)


def find_unfit(rows: pa.Table, problem_of: Callable[[pa.Array], Problem]) -> dict[int, str]:
    """Find the rows that have a value with a problem, and say which."""
    found: dict[int, str] = {}
    for field, column in zip(rows.schema, rows.columns, strict=True):
        problem = problem_of(column.combine_chunks())
        if problem is not None:
            mask, what = problem
            found |= dict.fromkeys(np.flatnonzero(mask).tolist(), f"{field.name} has {what}.")
    return found


def wide_numbers(column: pa.Array) -> Problem:
    """Say which values are such numbers; None where the type has none."""
    kind = column.type
    if kind == pa.decimal128(_DIGITS, 0):
        wider = pa.decimal256(_DIGITS + 1, 0)
        size, limit = pc.abs(column.cast(wider)), pa.scalar(10**_DIGITS, wider)
        found = pc.fill_null(pc.greater_equal(size, limit), fill_value=False)
        return found.to_numpy(zero_copy_only=False), _NUMBER
    return in_lists(column, wide_numbers)


def in_lists(column: pa.Array, problem_of: Callable[[pa.Array], Problem]) -> Problem:
    """Say which lists have a value with a problem; None for what is no list."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)):
        return None
    column = column.cast(pa.list_(kind.value_type))
    there = column.drop_null()  # behind a NULL there may be values
    problem = problem_of(pc.list_flatten(there))
    if problem is None:
        return None
    mask, what = problem
    places = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    found = np.zeros(len(column), dtype=bool)
    found[places[pc.list_parent_indices(there).to_numpy()[mask]]] = True
    return found, what
