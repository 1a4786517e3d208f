"""Time ways of doing the same work in one run, and print what every benchmark prints."""

from .printing import machine, report
from .rows import ROUNDS, Row, compare, fastest, interleave, largest_difference, refused, timed

__all__ = [
    "ROUNDS",
    "Row",
    "compare",
    "fastest",
    "interleave",
    "largest_difference",
    "machine",
    "refused",
    "report",
    "timed",
]
