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


def below_float32(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn ``float32(x) < t`` into ``x <= t'`` in float64.

    Parameters
    ----------
    thresholds : float64[n]
        Finite values of float32.

    Returns
    -------
    float64[n]
        The largest float64 that rounds to a float32 below each threshold; minus infinity where
        there is none. Rounding is to nearest, ties to even, as the cast of every library is.
    """
    with np.errstate(over="ignore"):  # below the lowest finite number comes minus infinity
        lower = np.nextafter(thresholds.astype(np.float32), np.float32(-np.inf))
    return at_most_float32(lower.astype(np.float64))


def at_most_float32(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn ``float32(x) <= t`` into ``x <= t'`` in float64, for any ``t`` but NaN.

    Returns
    -------
    float64[n]
        The largest float64 that rounds to a float32 of at most ``t``.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = thresholds.astype(np.float32)
        low = np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        high = np.nextafter(low, np.float32(np.inf))
        # The midpoint of two neighbours is exact in float64, and a tie goes to the even one.
        middle = _midpoint(low.astype(np.float64), high.astype(np.float64))
        rounds_down = middle.astype(np.float32) <= low
    limit = np.where(rounds_down, middle, np.nextafter(middle, -np.inf))
    limit = np.where(low == np.inf, np.inf, limit)
    return np.where(low == -np.inf, _TO_MINUS, limit)


_TO_MINUS = -(float(np.finfo(np.float32).max) + 2.0**103)
"""The first float64 that rounds to minus infinity in float32."""

LARGEST_TO_FLOAT32 = float(np.nextafter(-_TO_MINUS, 0.0))
"""The largest float64 that a cast to float32 leaves finite."""


def _midpoint(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Halve the gap; beyond the largest float32 the next one would be 2**128."""
    high = np.where(high == np.inf, 2.0**128, high)
    low = np.where(low == -np.inf, -(2.0**128), low)
    return low + (high - low) / 2
