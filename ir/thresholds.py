"""Remove the libraries' cast rules once, here, so that every backend compares plain float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIGHTGBM_ZERO = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold``: values this close to zero are stored as zero before a split."""


def around_zero(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move thresholds inside LightGBM's zero band to its edge on the same side of zero.

    LightGBM replaces ``|x| <= 1e-35f`` by 0 before it compares. Comparing the raw value with the
    moved threshold sends every float64 the same way, so no backend needs the replacement.
    Source: ``kZeroThreshold`` in ``include/LightGBM/meta.h``, applied by the C API's row readers.
    """
    moved = thresholds.copy()
    below = (thresholds < 0) & (thresholds >= -LIGHTGBM_ZERO)
    moved[below] = np.nextafter(-LIGHTGBM_ZERO, -np.inf)
    moved[(thresholds >= 0) & (thresholds < LIGHTGBM_ZERO)] = LIGHTGBM_ZERO
    return moved
