"""Native plans for the steps that have one here, else those in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..plans import NumpyPlans
from ..threads import run_in_parts
from .choice import NativePlan
from .walk import NativeWalk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...ir.steps import Forest, LinearForest
    from ..plans import ForestPlan, LinearForestPlan

    Inputs = Mapping[int, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class NativePlans(NumpyPlans):
    """Native where that is possible, on so many threads; else numpy, to the same bits."""

    threads: int = 1

    def forest(self, step: Forest) -> ForestPlan:
        """Prepare a forest."""
        plan = NativePlan.of(step)
        return NumpyPlans.forest(self, step) if plan is None else _OnThreads(plan, self.threads)

    def linear_forest(self, step: LinearForest) -> LinearForestPlan:
        """Prepare a forest with weighted sums in its leaves."""
        walk = NativeWalk.of_linear(step)
        if walk is None:
            return NumpyPlans.linear_forest(self, step)
        return _WalkOnThreads(walk, self.threads)


@dataclass(frozen=True, slots=True, eq=False)
class _OnThreads:
    """A plan that cuts a batch itself."""

    plan: NativePlan
    threads: int

    def add_to(self, scores: NDArray[np.float64], inputs: Inputs) -> None:
        self.plan.add_to(scores, inputs, self.threads)


@dataclass(frozen=True, slots=True, eq=False)
class _WalkOnThreads:
    """A walk, a part of the rows a thread."""

    walk: NativeWalk
    threads: int

    @property
    def inputs(self) -> Sequence[int]:
        return self.walk.inputs

    def add_to(self, scores: NDArray[np.float64], inputs: Inputs) -> None:
        def add_part(rows: slice) -> None:
            part = {index: column[rows] for index, column in inputs.items()}
            self.walk.add_to(scores[:, rows], part)

        run_in_parts(add_part, scores.shape[1], self.threads)
