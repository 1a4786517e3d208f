"""The tables of leaves that are weighted sums of inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir.steps import LinearForest

LINEAR_ARRAYS = ("constants", "plain", "term_start", "term_place", "coefficients", "read")


class LinearTables(NamedTuple):
    """What walk.c reads; the names are those of its struct ``WalkLinear``."""

    constants: NDArray[np.float64]
    plain: NDArray[np.float64]
    term_start: NDArray[np.int64]
    term_place: NDArray[np.int32]
    coefficients: NDArray[np.float64]
    read: NDArray[np.int32]
    zero: float


def build_linear_tables(step: LinearForest, leaves: NDArray[np.intp]) -> LinearTables:
    """List constants and terms in the order of the leaves: nodes, intp[leaves]."""
    sizes = np.diff(step.term_start)[leaves]
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    first = np.repeat(step.term_start[leaves] - start[:-1], sizes)
    terms = first + np.arange(int(start[-1]))
    read, place = np.unique(step.term_input[terms], return_inverse=True)
    return LinearTables(
        constants=step.constants[leaves],
        plain=step.trees.value[leaves],
        term_start=start,
        term_place=place.astype(np.int32),
        coefficients=step.coefficients[terms],
        read=read.astype(np.int32),
        zero=step.zero,
    )
