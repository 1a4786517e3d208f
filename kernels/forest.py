"""Run a forest: natively where that is possible, else in numpy, to the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF
from .coding import codings_of
from .native import NativePlan
from .numpy_forest import NumpyForest

if TYPE_CHECKING:
    from ..ir.steps import Forest
    from .columns import Values


class ForestKernel:
    """A forest, prepared once; running it keeps no state, so threads may share it."""

    def __init__(self, step: Forest, threads: int = 1) -> None:
        """Build the tables; the native kernel runs on so many threads."""
        self._step = step
        feature = step.trees.feature
        self._inputs = np.unique(feature[feature != LEAF]).tolist()
        self._threads = threads
        self._plan = NativePlan.of(step) or NumpyForest.of(step, codings_of(step.trees))

    def run(self, values: Values) -> None:
        """Write the scores."""
        step = self._step
        scores = np.empty((len(step.outputs), values.rows))
        scores[:] = step.start[:, None]
        inputs = {index: values.numbers(step.inputs[index]) for index in self._inputs}
        if isinstance(self._plan, NativePlan):
            self._plan.add_to(scores, inputs, self._threads)
        else:
            self._plan.add_to(scores, inputs)
        for name, column in zip(step.outputs, scores, strict=True):
            values.put(name, column)
