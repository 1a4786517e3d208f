"""What a kernel answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
