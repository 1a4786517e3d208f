"""Rows for a model of which only a file is there: values between its own splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .edges import split_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Model

_ROWS = 2_000


def made_up_rows(model: Model, empty: pa.Table, seed: int) -> pa.Table:
    """Make rows that reach all sides of a model's splits.

    Parameters
    ----------
    model
        The converted model.
    empty
        A table of its columns, with their types and categories.
    seed
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    splits = split_values(model)
    arrays = [
        _draw(empty.column(name).combine_chunks(), splits.get(name, []), rng)
        for name in empty.column_names
    ]
    return pa.table(arrays, names=empty.column_names)


def _draw(empty: Any, splits: list[float], rng: np.random.Generator) -> pa.Array:
    kind = empty.type
    if pa.types.is_dictionary(kind):
        levels = empty.dictionary
        codes = rng.integers(max(len(levels), 1), size=_ROWS)
        indices = pa.array(codes, kind.index_type, mask=np.full(_ROWS, len(levels) == 0))
        return pa.DictionaryArray.from_arrays(indices, levels)
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(_ROWS) < 0.5)  # noqa: PLR2004 - an even chance
    drawn = rng.choice(_between(np.array(splits, np.float64)), size=_ROWS)
    if pa.types.is_integer(kind):
        return pa.array(np.floor(np.clip(drawn, -(2.0**62), 2.0**62)).astype(np.int64))
    return pa.array(drawn)


def _between(splits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give a value below all splits, one between each two, and one above all."""
    finite = splits[np.isfinite(splits)]
    if not len(finite):
        return np.array([0.0, 1.0])
    low, high = finite[0] - 1 - abs(finite[0]) / 8, finite[-1] + 1 + abs(finite[-1]) / 8
    return np.concatenate([[low], finite[:-1] / 2 + finite[1:] / 2, [high]])
