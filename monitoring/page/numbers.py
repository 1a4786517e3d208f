"""Numbers and times as a reader sees them."""

from __future__ import annotations

import math
from datetime import date, datetime

__all__ = ["count", "decimal", "moment", "percent", "plain"]

NOTHING = "–"  # noqa: RUF001 - an en dash stands for no value


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{share:.{digits}%}"


def count(number: int | None) -> str:
    """Write a count with separators."""
    return NOTHING if number is None else f"{number:,}"


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed number of digits behind the point."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}"


def plain(value: float | None) -> str:
    """Write a number of any size with four digits that count."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"  # noqa: PLR2004


def moment(value: date | str | None, unit: str = "minute") -> str:
    """Write a time as short as its unit allows."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if value is None:
        return NOTHING
    if unit == "year":
        return f"{value:%Y}"
    if unit in {"month", "quarter"}:
        return f"{value:%Y-%m}"
    if unit in {"day", "week"} or not isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    return f"{value:%Y-%m-%d %H:%M}"
