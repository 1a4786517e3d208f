"""Strategies for forests: how trees become SQL."""

from .case import CaseStrategy, emit_linear_forest
from .strategy import STRATEGIES, Strategy, check_forest, emit_forest, strategy_of

__all__ = [
    "STRATEGIES",
    "CaseStrategy",
    "Strategy",
    "check_forest",
    "emit_forest",
    "emit_linear_forest",
    "strategy_of",
]
