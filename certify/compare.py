"""When two answers agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s
from .rounding import DOT_ROUNDING, carry_errors, hangs_on_rounding, has_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..ir import Model
    from ..kernels.columns import Values
    from .rounding import Errors

    Carry = Callable[[s.Step, Values, Errors], None]

RELATIVE = 1e-15
"""Links may round differently where ``exp`` does."""
RELATIVE_PROBABILITY = 1e-14
"""Numpy adds the exponentials of more than 7 classes in an order of its own."""


def rounding_bound(model: Model, values: Values) -> NDArray[np.float64] | None:
    """How far a row's answers may be from the library's, float64[rows]; None without sums.

    A BLAS adds the terms of a dot product in an order of its own, and its result moves with it by
    up to a few roundings of the largest partial sum. Source: Higham, Accuracy and Stability of
    Numerical Algorithms (2002), section 3.1; the constant is far below the bound for any order.
    The steps that follow carry the error on: a link moves by as much as it does between the ends
    of the interval. What a tree, a comparison or an argmax reads may not move it at all.
    """
    if not has_sums(model):
        return None
    errors: Errors = {}
    with np.errstate(all="ignore"):
        for step in model.steps:
            carry_errors(step, values, errors)
    answers = model.outputs
    names = {*answers.prediction, *answers.probabilities, *answers.margins}
    return np.max([errors.get(name, np.zeros(values.rows)) for name in sorted(names)], axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """Rows whose label is not certain, bool[rows] each.

    In ``ties`` two scores are closer to each other, or a score to a threshold, than the rounding of
    their sums. In ``overflows`` a sum that a label is read from is not finite.
    """

    ties: NDArray[np.bool_]
    overflows: NDArray[np.bool_]


def label_doubts(model: Model, values: Values, carry: Carry = carry_errors) -> Doubts:
    """Find the rows whose label depends on the order in which a dot product is added.

    ``carry`` adds the errors of a step's outputs.
    """
    doubts = Doubts(np.zeros(values.rows, np.bool_), np.zeros(values.rows, np.bool_))
    errors: Errors = {}
    with np.errstate(all="ignore"):
        for step in model.steps:
            if isinstance(step, s.Argmax | s.Exceeds):
                found = [errors[name] for name in step.inputs if name in errors]
                if found:
                    is_lost = ~np.isfinite(found).all(axis=0)
                    doubts.overflows[:] |= is_lost
                    doubts.ties[:] |= hangs_on_rounding(step, values, errors) & ~is_lost
            carry(step, values, errors)
    return doubts


def matching_columns(theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the library's probabilities of the classes that a route answers for.

    Of two classes SQL has the second's alone, and one less it is not always the first's: a forest
    rounds each class's sum on its own.
    """
    return theirs[:, 1:] if (theirs.shape[1:], ours.shape[1:]) == ((2,), (1,)) else theirs


def allowed_gap(theirs: NDArray[np.float64], relative: float) -> NDArray[np.float64]:
    """How far answers may be from the library's: ``relative``, or 1 ulp; 0 where not finite."""
    size = np.abs(theirs)
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = np.maximum(size * relative, np.spacing(size))
    return np.where(np.isfinite(allowed), allowed, 0.0)


def differences(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    bound: NDArray[np.float64] | None,
    *,
    exact: bool,
    relative: float = RELATIVE,
) -> tuple[float, int | None]:
    """Compare float64[rows, columns] answers.

    Returns
    -------
    largest : float
        The largest difference, relative to the library's answer or, where that is larger, to 1
        or to the largest partial sum of the row's dot products.
    row : int or None
        The first row that differs by more than is allowed: by nothing where ``exact``, else by 1
        ulp, by ``relative``, or by the rounding bound of its dot products.
    """
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(ours - theirs))
    gap = np.where(np.isnan(gap), np.inf, gap)
    allowed = np.zeros_like(gap) if exact else allowed_gap(theirs, relative)
    if bound is not None:
        allowed = np.maximum(allowed, bound[:, None])
    wrong = (gap > allowed).any(axis=1)
    size = np.maximum(np.abs(theirs), 1.0)
    if bound is not None:
        with np.errstate(over="ignore"):
            size = np.maximum(size, bound[:, None] / DOT_ROUNDING)
    with np.errstate(invalid="ignore"):
        part = gap / size
    largest = float(part[np.isfinite(part)].max(initial=0.0))
    return largest, int(np.argmax(wrong)) if wrong.any() else None
