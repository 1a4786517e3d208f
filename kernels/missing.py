"""Steps about missing values of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .columns import Keys, as_missing

if TYPE_CHECKING:
    from ..ir import steps as s
    from .columns import Values


def impute(step: s.Impute, values: Values) -> None:
    """Fill what is missing, of a key column too."""
    for name, output, fill in zip(step.inputs, step.outputs, step.fills, strict=True):
        column = values.get(name)
        if isinstance(column, Keys) and not isinstance(fill, float):
            code = column.vocabulary.keys.index(fill)
            codes = np.where(column.codes == column.vocabulary.missing, code, column.codes)
            values.put(output, Keys(codes, column.vocabulary, column.name))
        else:
            x = values.numbers(name)
            values.put(output, np.where(np.isnan(x), float(fill), x))


def is_missing(step: s.IsMissing, values: Values) -> None:
    """Write 1 where a column is missing, else 0."""
    for name, output in zip(step.inputs, step.outputs, strict=True):
        values.put(output, as_missing(values.get(name)).astype(np.float64))
