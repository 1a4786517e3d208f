"""The population stability index, what chance makes of it, and what counts as too much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHARE_FLOOR = 1e-4
"""Shares of a bin below it count as it: a bin that one side lacks would make the index infinite."""
WATCH, ACT = 0.1, 0.25
"""From which index a column counts as moved, and as shifted: the usual rule of thumb."""
MISSING_RISE, NEW_SHARE, OUTSIDE_SHARE = 0.05, 0.01, 0.01
"""More missing values, new categories or values outside of the range than these are pointed at."""
_ONE_IN_HUNDRED = 2.326
"""The standard normal's quantile for 99 %."""


class Status(StrEnum):
    """What the figures of a column say."""

    STEADY = "steady"
    MOVED = "moved"
    SHIFTED = "shifted"
    UNKNOWN = "too few rows"


@dataclass(frozen=True, slots=True)
class Limits:
    """From which population stability index a column counts as moved, and as shifted."""

    watch: float = WATCH
    act: float = ACT


def stability_index(reference: Sequence[int], now: Sequence[int]) -> float | None:
    """Give the population stability index of two histograms over the same bins.

    The sum over bins of (p - q) ln(p / q), of which p and q are the shares of a bin, at least
    0.0001; bins that are empty on both sides are left out. None where a side has no rows.
    """
    before, after = sum(reference), sum(now)
    if not before or not after:
        return None
    total = 0.0
    for old, new in zip(reference, now, strict=True):
        if old or new:
            q, p = max(old / before, SHARE_FLOOR), max(new / after, SHARE_FLOOR)
            total += (p - q) * math.log(p / q)
    return total


def chance_index(bins: int, before: int, after: int) -> float | None:
    """Give the index that one of a hundred pairs of samples exceeds where nothing has moved.

    Without drift the index over (1/n + 1/m) is near a chi-squared with one degree of freedom a
    bin less one, whose quantile the Wilson-Hilferty approximation gives.
    """
    if not before or not after:
        return None
    freedom = max(bins - 1, 1)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + _ONE_IN_HUNDRED * math.sqrt(spread)) ** 3
    return quantile * (1 / before + 1 / after)


def judge(
    psi: float | None, chance: float | None, shares: Mapping[str, float | None], limits: Limits
) -> tuple[Status, str]:
    """Say what the figures of a column mean, and why."""
    if psi is None or chance is None:
        return Status.UNKNOWN, "one side has no rows"
    if chance >= limits.act:
        return Status.UNKNOWN, f"chance alone reaches {chance:.2f} with so few rows"
    if psi >= limits.act:
        return Status.SHIFTED, f"index {psi:.2f} is at least {limits.act:g}"
    reasons: list[str] = []
    if psi >= limits.watch and psi > chance:
        reasons.append(f"index {psi:.2f} is at least {limits.watch:g}")
    rise = (shares["missing_now"] or 0.0) - (shares["missing_reference"] or 0.0)
    if rise > MISSING_RISE:
        reasons.append(f"{rise:.1%} more are missing")
    if (new := shares["new_share"] or 0.0) > NEW_SHARE:
        reasons.append(f"{new:.1%} are new categories")
    if (outside := shares["outside_share"] or 0.0) > OUTSIDE_SHARE:
        reasons.append(f"{outside:.1%} lie outside of the reference's range")
    return (Status.MOVED if reasons else Status.STEADY), "; ".join(reasons)
