"""A model made ready to score: the numpy kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .columns import Values
from .frame import Decoder
from .steps import prepare_step

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..ir import Model
    from .frame import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The answers for one batch.

    Attributes
    ----------
    prediction : float64[rows, columns]
        What ``predict`` gives: values, or one column of indices into the model's classes.
    probabilities : float64[rows, classes]
        Empty when the model has none.
    margins : float64[rows, margins]
        Raw scores.
    """

    prediction: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    margins: NDArray[np.float64]


class Scorer:
    """Scores batches with one model. Immutable once built: threads may share it."""

    def __init__(self, model: Model) -> None:
        """Prepare every step."""
        self.model = model
        self.decoder = Decoder.of(model)
        self._runners = [prepare_step(step) for step in model.steps]

    def score(self, batch: pa.RecordBatch | pa.Table | pa.StructArray) -> Scores:
        """Decode and score Arrow rows.

        Raises
        ------
        SignatureError
            If a column is missing or of the wrong type.
        ScoringError
            If the library would refuse a row.
        """
        return self.score_frame(self.decoder.decode(batch))

    def score_frame(self, frame: Frame) -> Scores:
        """Score decoded rows."""
        values = self.run(frame)
        outputs = self.model.outputs
        return Scores(
            _matrix(values, outputs.prediction),
            _matrix(values, outputs.probabilities),
            _matrix(values, outputs.margins),
        )

    def run(self, frame: Frame) -> Values:
        """Run every step and give all columns, the intermediate ones too."""
        values = Values(frame)
        # The library divides by zero and overflows in silence; so do we, and to the same values.
        with np.errstate(all="ignore"):
            for run in self._runners:
                run(values)
        return values


def _matrix(values: Values, names: tuple[str, ...]) -> NDArray[np.float64]:
    if not names:
        return np.empty((values.rows, 0))
    return np.stack([values.numbers(name) for name in names], axis=1)
