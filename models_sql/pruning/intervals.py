"""Bounds of sums and products, rounded as float64 rounds them.

A correctly rounded operation never falls where its exact result does not, so its value at the ends
of an interval bounds its values within.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from .domain import Known, among, between, hull

if TYPE_CHECKING:
    from collections.abc import Callable


def sum_of(first: Known, second: Known) -> Known:
    """Add two columns."""
    missing = first.missing or second.missing
    if first.is_empty or second.is_empty:
        return among((), missing=missing)
    opposite = _meet(first, second) or _meet(second, first)
    low, high = first.low + second.low, first.high + second.high
    return between(
        -math.inf if math.isnan(low) else low,
        math.inf if math.isnan(high) else high,
        missing=missing or opposite,
    )


def product_of(first: Known, second: Known) -> Known:
    """Multiply two columns."""
    missing = first.missing or second.missing
    if first.is_empty or second.is_empty:
        return among((), missing=missing)
    ends = [_times(a, b) for a in (first.low, first.high) for b in (second.low, second.high)]
    vanishes = (_has_zero(first) and not second.is_finite) or (
        _has_zero(second) and not first.is_finite
    )
    return between(min(ends), max(ends), missing=missing or vanishes)


def mapped(known: Known, function: Callable[[float], float]) -> Known:
    """Apply a function that never falls, or never rises, and gives NaN nowhere."""
    if known.is_empty:
        return among((), missing=known.missing)
    if known.values is not None:
        return among(map(function, known.values), missing=known.missing)
    ends = function(known.low), function(known.high)
    return between(min(ends), max(ends), missing=known.missing)


def filled(known: Known, fill: Known) -> Known:
    """Put one column in place of what is missing in another."""
    if not known.missing:
        return replace(known, keys=None)
    return hull((known.there(), fill))


def _times(a: float, b: float) -> float:
    """Multiply, where 0 times an infinite bound is 0: finite numbers come as near to both."""
    return 0.0 if 0.0 in {a, b} else a * b


def _has_zero(known: Known) -> bool:
    return known.low <= 0.0 <= known.high


def _meet(up: Known, down: Known) -> bool:
    """Whether infinities of both signs may be added, which gives NaN."""
    return up.high == math.inf and down.low == -math.inf
