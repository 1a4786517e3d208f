"""What a strategy is, and which one a forest gets.

A strategy writes the sums of a forest's trees into columns. ``case`` needs nothing but the query.
Others may come with tables of their own: what they need besides the query is theirs to say.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ...errors import UnsupportedModelError
from .case import CaseStrategy

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
    {strategy.name: strategy for strategy in (CaseStrategy(),)}
)


def strategy_of(name: str) -> Strategy:
    """Find a strategy.

    Raises
    ------
    UnsupportedModelError
        If there is none of this name.
    """
    if name not in STRATEGIES:
        raise UnsupportedModelError(
            f"strategy {name!r}", "there is none.", f"use one of {', '.join(STRATEGIES)}."
        )
    return STRATEGIES[name]


def emit_forest(step: Forest, builder: Builder, strategy: Strategy) -> None:
    """Write a forest, or refuse it with the strategy's reason."""
    problem = strategy.problem(step, builder)
    if problem is not None:
        builder.refuse(problem)
    strategy.emit(step, builder)
