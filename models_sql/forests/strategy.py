"""What a strategy is, and which one a forest gets.

A strategy writes the sums of a forest's trees into columns. ``case`` needs nothing but the query.
Others may come with tables of their own: what they need besides the query is theirs to say.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ...errors import UnsupportedModelError
from ...ir.trees import LEAF
from .case import CaseStrategy
from .mask import MaskStrategy
from .walk import WalkStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...ir.steps import Forest
    from ..builder import Builder


class Strategy(Protocol):
    """A way to write forests."""

    @property
    def name(self) -> str:
        """How users choose it."""
        ...

    def problem(self, step: Forest, builder: Builder) -> str | None:
        """Say why it cannot write a forest for the target; None where it can."""
        ...

    def emit(self, step: Forest, builder: Builder) -> None:
        """Write the forest's outputs."""
        ...


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {strategy.name: strategy for strategy in (CaseStrategy(), MaskStrategy(), WalkStrategy())}
)


AUTO = "auto"
"""The name of the rule that chooses."""
_LEAVES = 300
_LEAVES_A_TREE = 24
"""From how many leaves on, in all and in a tree on average, lookups are tried before CASEs.

CPU seconds for 300,000 rows of 20 columns in DuckDB 2.0 on one thread, planning included, CASE and
mask: 10 trees of 31 leaves 0.10 and 0.08; 20 of 31 0.28 and 0.14; 50 of 31 0.92 and 0.56; 30 of 127
1.91 and 0.68; 100 of 8 0.56 and 0.65; 100 of 16 1.03 and 1.24. 100,000 rows give the same order.
"""


def strategy_of(name: str) -> Strategy | None:
    """Find a strategy; None where the rule is to choose one.

    Raises
    ------
    UnsupportedModelError
        If there is none of this name.
    """
    if name == AUTO:
        return None
    if name not in STRATEGIES:
        named = ", ".join([AUTO, *STRATEGIES])
        raise UnsupportedModelError(f"strategy {name!r}", "there is none.", f"use one of {named}.")
    return STRATEGIES[name]


def chosen(step: Forest, builder: Builder) -> Strategy:
    """Take the first strategy that can write a forest, in the order of what they take."""
    leaves = int((step.trees.feature == LEAF).sum())
    many = leaves >= max(_LEAVES, _LEAVES_A_TREE * step.trees.count)
    order = ("mask", "case", "walk") if many else ("case", "mask", "walk")
    found = (STRATEGIES[name] for name in order)
    return next((each for each in found if each.problem(step, builder) is None), STRATEGIES["case"])


def check_forest(step: Forest, builder: Builder, strategy: Strategy | None) -> None:
    """Refuse a forest with the strategy's reason."""
    problem = (strategy or chosen(step, builder)).problem(step, builder)
    if problem is not None:
        builder.refuse(f"{problem} (strategy {AUTO} chooses another)" if strategy else problem)


def emit_forest(step: Forest, builder: Builder, strategy: Strategy | None) -> None:
    """Write a forest, or refuse it with the strategy's reason."""
    strategy = strategy or chosen(step, builder)
    check_forest(step, builder, strategy)
    builder.strategies.add(strategy.name)
    strategy.emit(step, builder)
