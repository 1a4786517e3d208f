"""Split conformal intervals: how far from the prediction the truth lies, at a confidence level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def conformal_widths(
    residuals: Sequence[float], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give half the width of the interval at each confidence level.

    Parameters
    ----------
    residuals
        Absolute errors on ``n`` calibration rows that training did not see, ascending.
    levels : float64[rows]
        Between 0 and 1.

    Returns
    -------
    float64[rows]
        The residual of rank ``ceil((n + 1) * level)``; infinite where ``n`` rows are too few for
        the level. Source: Vovk et al., Algorithmic Learning in a Random World (2005), ch. 2.
    """
    ordered = np.append(np.asarray(residuals, np.float64), np.inf)
    rank = np.ceil(len(ordered) * levels).astype(np.intp)
    return ordered[np.clip(rank, 1, len(ordered)) - 1]
