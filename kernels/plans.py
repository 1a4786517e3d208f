"""How forests are run: what a plan is, and the plans in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .coding import codings_of
from .numpy_forest import NumpyForest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..ir.steps import Forest, LinearForest


class ForestPlan(Protocol):
    """A forest, prepared once; running it keeps no state, so threads may share it."""

    def add_to(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order.

        ``inputs`` holds float64[rows] for each input that the plan reads.
        """
        ...


class LinearForestPlan(ForestPlan, Protocol):
    """The same of a forest with weighted sums in its leaves."""

    @property
    def inputs(self) -> Sequence[int]:
        """The inputs that splits and leaves read."""
        ...


class Plans(Protocol):
    """Makes plans; all give the same bits."""

    def forest(self, step: Forest) -> ForestPlan:
        """Prepare a forest."""
        ...

    def linear_forest(self, step: LinearForest) -> LinearForestPlan:
        """Prepare a forest with weighted sums in its leaves."""
        ...


class NumpyPlans:
    """Plans in numpy, which run everywhere."""

    def forest(self, step: Forest) -> ForestPlan:
        """Prepare a forest."""
        return NumpyForest.of(step, codings_of(step.trees))

    def linear_forest(self, step: LinearForest) -> LinearForestPlan:
        """Prepare a forest with weighted sums in its leaves."""
        from .linear_forest import NumpyLinearForest

        return NumpyLinearForest(step)
