"""Run a forest: natively where that is possible, else in numpy, to the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .coding import codings_of
from .native import NativeForest
from .numpy_forest import NumpyForest

if TYPE_CHECKING:
    from ..ir.steps import Forest
    from .columns import Values


class ForestKernel:
    """A forest, prepared once; running it keeps no state, so threads may share it."""

    def __init__(self, step: Forest) -> None:
        """Build the codings and the tables."""
        self._step = step
        codings = codings_of(step.trees)
        self._inputs = sorted(codings)
        self._plan = NativeForest.of(step, codings) or NumpyForest.of(step, codings)

    def run(self, values: Values) -> None:
        """Write the scores."""
        step = self._step
        scores = np.empty((len(step.outputs), values.rows))
        scores[:] = step.start[:, None]
        inputs = {index: values.numbers(step.inputs[index]) for index in self._inputs}
        self._plan.add_to(scores, inputs)
        for name, column in zip(step.outputs, scores, strict=True):
            values.put(name, column)
