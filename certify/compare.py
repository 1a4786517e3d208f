"""When two answers agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Model
    from ..kernels.columns import Values

RELATIVE = 1e-15
"""Links may round differently where ``exp`` does."""
_DOT_ROUNDINGS = 16
_EPSILON = float(np.finfo(np.float64).eps)


def rounding_bound(model: Model, values: Values) -> NDArray[np.float64] | None:
    """How far a row's dot products may be from the library's, float64[rows]; None without any.

    A BLAS adds the terms of a dot product in an order of its own, and its result moves with it by
    up to a few roundings of the largest partial sum. Source: Higham, Accuracy and Stability of
    Numerical Algorithms (2002), section 3.1; the constant is far below the bound for any order.
    """
    scale: NDArray[np.float64] | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for step in model.steps:
            if isinstance(step, s.Dot):
                size = np.max(np.abs(step.intercepts)) + np.zeros(values.rows)
                for name, weights in zip(step.inputs, step.weights, strict=True):
                    size += np.abs(values.numbers(name)) * np.max(np.abs(weights))
                scale = size if scale is None else scale + size
    return None if scale is None else scale * (_DOT_ROUNDINGS * _EPSILON)


def differences(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    bound: NDArray[np.float64] | None,
    *,
    exact: bool,
) -> tuple[float, int | None]:
    """Compare float64[rows, columns] answers.

    Returns
    -------
    largest : float
        The largest difference, relative to the library's answer or, where that is larger, to 1
        or to the largest partial sum of the row's dot products.
    row : int or None
        The first row that differs by more than is allowed: by nothing where ``exact``, else by 1
        ulp, by 1e-15 relative, or by the rounding bound of its dot products.
    """
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(ours - theirs))
    gap = np.where(np.isnan(gap), np.inf, gap)
    allowed = np.zeros_like(gap)
    if not exact:
        with np.errstate(invalid="ignore", over="ignore"):
            allowed = np.maximum(np.abs(theirs) * RELATIVE, np.spacing(np.abs(theirs)))
        allowed = np.where(np.isfinite(allowed), allowed, 0.0)
    if bound is not None:
        allowed = np.maximum(allowed, bound[:, None])
    wrong = (gap > allowed).any(axis=1)
    size = np.maximum(np.abs(theirs), 1.0)
    if bound is not None:
        size = np.maximum(size, bound[:, None] / (_DOT_ROUNDINGS * _EPSILON))
    with np.errstate(invalid="ignore"):
        relative = gap / size
    largest = float(relative[np.isfinite(relative)].max(initial=0.0))
    return largest, int(np.argmax(wrong)) if wrong.any() else None
