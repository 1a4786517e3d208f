"""All steps of a model, one after the other, on decoded rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .columns import Values
from .scores import Scores
from .steps import prepare_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Model
    from .frame import Frame
    from .plans import Plans


class StepRunner:
    """Runs a model step by step. It keeps no state of a batch: threads may share it."""

    def __init__(self, model: Model, plans: Plans | None = None) -> None:
        """Make every step ready; forests run by ``plans``, those in numpy by default."""
        self.model = model
        self._runners = [prepare_step(step, plans) for step in model.steps]

    def run(self, frame: Frame) -> Values:
        """Run every step and give all columns, the intermediate ones too.

        Raises
        ------
        ScoringError
            If the library would refuse a row.
        """
        values = Values(frame)
        # The library divides by zero and overflows in silence; so do we, and to the same values.
        with np.errstate(all="ignore"):
            for run in self._runners:
                run(values)
        return values

    def score(self, frame: Frame) -> Scores:
        """Score decoded rows; raises as :meth:`run`."""
        values = self.run(frame)
        outputs = self.model.outputs
        return Scores(
            _matrix(values, outputs.prediction),
            _matrix(values, outputs.probabilities),
            _matrix(values, outputs.margins),
        )


def _matrix(values: Values, names: tuple[str, ...]) -> NDArray[np.float64]:
    if not names:
        return np.empty((values.rows, 0))
    return np.stack([values.numbers(name) for name in names], axis=1)
