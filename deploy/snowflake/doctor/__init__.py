"""``foresql doctor snowflake``: what can only be known in a real account, tried there."""

from .access import warehouse_of
from .check import Check, Outcome, Result, Violation
from .examine import CHECKS, MINUTES, chosen, examine
from .report import Report

__all__ = [
    "CHECKS",
    "MINUTES",
    "Check",
    "Outcome",
    "Report",
    "Result",
    "Violation",
    "chosen",
    "examine",
    "warehouse_of",
]
