"""Run a forest by whichever plan it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF

if TYPE_CHECKING:
    from ..ir.steps import Forest
    from .columns import Values
    from .plans import ForestPlan


class ForestKernel:
    """A forest, prepared once; running it keeps no state, so threads may share it."""

    def __init__(self, step: Forest, plan: ForestPlan) -> None:
        """Note which inputs splits read."""
        self._step = step
        feature = step.trees.feature
        self._inputs = np.unique(feature[feature != LEAF]).tolist()
        self._plan = plan

    def run(self, values: Values) -> None:
        """Write the scores."""
        step = self._step
        scores = np.empty((len(step.outputs), values.rows))
        scores[:] = step.start[:, None]
        self._plan.add_to(scores, {i: values.numbers(step.inputs[i]) for i in self._inputs})
        for name, column in zip(step.outputs, scores, strict=True):
            values.put(name, column)
