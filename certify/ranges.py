"""Which values of a column no step refuses: what follows from them is finite and in range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..kernels.columns import Values
from ..kernels.frame import Frame
from ..kernels.steps import prepare_step

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..ir import Model

    Numbers = NDArray[np.float64]


def within_ranges(model: Model, name: str, table: pa.Table, values: list[Any]) -> list[bool]:
    """Say which values of a column are accepted, in a training row that is else the same.

    Trees, lookups and dot products are not followed: what they give is finite.
    """
    numbers = {
        column.name: np.full(len(values) + 1, _first_number(table, column.name))
        for column in model.signature.columns
        if column.type.is_number
    }
    numbers[name][:-1] = values
    columns = Values(Frame(len(values) + 1, numbers, {}, {}, {}))
    known = set(numbers)
    accepted = np.ones(len(values), np.bool_)
    with np.errstate(all="ignore"):
        for step in model.steps:
            if isinstance(step, s.Require | s.RequireRange):
                for read in known.intersection(step.inputs):
                    refused = _refused(step, columns.numbers(read))
                    # What the training row brings from elsewhere says nothing about the values.
                    accepted &= ~refused[:-1] | refused[-1]
            elif isinstance(step, _FOLLOWED) and not _fills_texts(step):
                for read in set(step.inputs) - known:
                    columns.put(read, np.full(columns.rows, np.nan))
                prepare_step(step)(columns)
                known.update(step.inputs, step.outputs)
    return accepted.tolist()


_FOLLOWED = (
    *(s.NullIf, s.Impute, s.IsMissing, s.Coalesce, s.Arithmetic, s.Clip, s.Elementwise),
    *(s.Interpolate, s.BSplines, s.Product, s.Sum, s.Normalize),
)


def _fills_texts(step: s.Step) -> bool:
    return isinstance(step, s.Impute) and any(isinstance(fill, str) for fill in step.fills)


def _refused(step: s.Require | s.RequireRange, x: Numbers) -> NDArray[np.bool_]:
    if isinstance(step, s.RequireRange):
        return (x < step.low) | (x > step.high)
    is_missing = np.isnan(x) & step.missing
    return is_missing | (np.isinf(x) & step.infinite) | (np.abs(x) > step.largest)


def _first_number(table: pa.Table, name: str) -> float:
    value = table.column(name)[0].as_py() if len(table) else None
    return np.nan if value is None else float(value)
