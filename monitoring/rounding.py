"""Figures without their last digits, which are chance: threads add up in any order."""

from __future__ import annotations

from typing import Any

__all__ = ["rounded"]


def rounded(value: Any, digits: int) -> Any:
    """Give plain values whose numbers have so many digits that count."""
    match value:
        case float():
            return float(f"{value:.{digits}g}")
        case dict():
            return {key: rounded(each, digits) for key, each in value.items()}
        case list() | tuple():
            return [rounded(each, digits) for each in value]
        case _:
            return value
