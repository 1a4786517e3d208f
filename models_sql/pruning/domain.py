"""What a column can hold: as a caller says it, and as it is known between two steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...ir import Scalar

_MOST_VALUES = 4096
"""Of more values than these only the bounds are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What a column of the signature can hold in the rows that are scored.

    Numbers are meant as the model reads them: after the cast to float64.

    Attributes
    ----------
    low, high
        Closed bounds of the numbers that are neither NULL nor NaN.
    missing
        Whether NULL or NaN may occur.
    keys
        The only values that occur besides missing ones; None where any may.
    """

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True
    keys: frozenset[str | int | bool | float] | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is certain of a column between two steps.

    Attributes
    ----------
    low, high
        Closed bounds of the numbers that are there; ``low > high`` where none is. A bound of 0
        holds zeros of either sign.
    missing
        Whether NaN, or NULL, may occur.
    values
        All numbers that may occur, ascending, where these are few. 0 stands for either zero.
    keys
        All keys that may occur in a column that is read by value, where they are known.
    """

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True
    values: tuple[float, ...] | None = None
    keys: frozenset[Scalar] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no number occurs."""
        return self.low > self.high

    @property
    def is_finite(self) -> bool:
        """Whether no infinite number occurs."""
        return self.is_empty or (self.low > -math.inf and self.high < math.inf)

    def within(self, low: float, high: float) -> Known:
        """Leave out the numbers outside of ``[low, high]``."""
        if self.values is not None:
            kept = (value for value in self.values if low <= value <= high)
            return replace(among(kept, missing=self.missing), keys=self.keys)
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    def there(self) -> Known:
        """Leave out what is missing."""
        return replace(self, missing=False)

    def can_be(self, key: Scalar) -> bool:
        """Whether a key of a lookup can occur."""
        if self.keys is not None and key not in self.keys:
            return False
        if isinstance(key, str):
            return True
        number = _number(key)
        if number is None:
            return True
        if self.values is not None:
            return number in self.values
        return self.low <= number <= self.high


ANY = Known()
"""No knowledge."""


def between(low: float, high: float, *, missing: bool) -> Known:
    """Know bounds; one that is NaN is none."""
    low = -math.inf if math.isnan(low) else low
    high = math.inf if math.isnan(high) else high
    return Known(low, high, missing)


def among(values: Iterable[float], *, missing: bool) -> Known:
    """Know every number that can occur; NaN counts as missing."""
    given = np.array(list(values), np.float64)
    is_nan = np.isnan(given)
    missing = missing or bool(is_nan.any())
    # Adding 0 makes one zero of both.
    distinct = np.unique(given[~is_nan] + 0.0)
    if not len(distinct):
        return Known(math.inf, -math.inf, missing, ())
    low, high = float(distinct[0]), float(distinct[-1])
    if len(distinct) > _MOST_VALUES:
        return Known(low, high, missing)
    return Known(low, high, missing, tuple(distinct.tolist()))


def hull(parts: Iterable[Known]) -> Known:
    """Know of a column that holds what one of several do."""
    parts = tuple(parts)
    missing = any(part.missing for part in parts)
    sets = [part.values for part in parts]
    listed = [values for values in sets if values is not None]
    if len(listed) == len(sets):
        return among((value for values in listed for value in values), missing=missing)
    low = min(part.low for part in parts)
    return Known(low, max(part.high for part in parts), missing)


def known_of(domain: Domain | None, column_type: ColumnType) -> Known:
    """Take a domain for what is known of a column of the signature.

    Keys of another type than the column's say nothing: who wrote them meant another column.
    """
    if domain is None:
        return ANY
    missing, keys = domain.missing, domain.keys
    if keys is not None and any(isinstance(key, float) and math.isnan(key) for key in keys):
        missing = True
    if not column_type.is_number:
        kind = str if column_type is ColumnType.VARCHAR else int
        fits = keys is not None and all(isinstance(key, kind) for key in keys)
        return Known(missing=missing, keys=keys if fits else None)
    bounds = between(domain.low, domain.high, missing=missing)
    if keys is None:
        return bounds
    numbers = [_number(key) for key in keys]
    if None in numbers:
        return Known(missing=missing)
    known = among([x for x in numbers if x is not None], missing=missing)
    return replace(known.within(bounds.low, bounds.high), keys=keys)


def _number(key: Scalar) -> float | None:
    """Cast a key as the kernel casts a column; None where it is no float64."""
    if isinstance(key, str):
        return None
    try:
        return float(key)
    except OverflowError:
        return None
