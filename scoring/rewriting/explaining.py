"""What the rewriter did with a query, as data and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedCall:
    """What became of one call of a model.

    Attributes
    ----------
    call
        As it stands in the query.
    model
        The model's name, with its version where it has one.
    route
        ``"udf"``: a function of the pruned model. ``"sql"``: the model as SQL. ``"unchanged"``.
    reason
        Why that.
    nodes_before, nodes_after
        How many nodes the model's trees have.
    columns_before, columns_after
        What the call reads.
    predicates
        The query's own conditions that were used.
    statistics
        What the table holds now, and the query assumes.
    early_exit
        The test that rows pass before the whole model scores them.
    """

    call: str
    model: str
    route: str
    reason: str
    nodes_before: int = 0
    nodes_after: int = 0
    columns_before: tuple[str, ...] = ()
    columns_after: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    early_exit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of a query.

    Attributes
    ----------
    calls
        What became of each call of a model.
    joins_removed
        Joins that nothing reads any more, and that change no rows.
    joins_kept
        Joins that nothing reads any more, and why they stay.
    note
        Why nothing was rewritten, if it concerns the whole query.
    seconds
        How long rewriting took.
    """

    calls: tuple[ExplainedCall, ...] = ()
    joins_removed: tuple[str, ...] = ()
    joins_kept: tuple[str, ...] = ()
    note: str | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        """Give all of it as text, a few lines a call."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for call in self.calls:
            yield call.call
            yield f"  model       {call.model}"
            yield f"  route       {call.route}: {call.reason}"
            if call.route != "unchanged":
                yield f"  nodes       {call.nodes_before:,} -> {call.nodes_after:,}"
                before, after = len(call.columns_before), len(call.columns_after)
                dropped = [c for c in call.columns_before if c not in call.columns_after]
                without = f", without {', '.join(dropped)}" if dropped else ""
                yield f"  columns     {before} -> {after}{without}"
            for name, texts in (("predicates", call.predicates), ("statistics", call.statistics)):
                if texts:
                    yield f"  {name:<11} {'; '.join(texts)}"
            if call.early_exit:
                yield f"  early exit  {call.early_exit}"
        for text in self.joins_removed:
            yield f"join removed: {text}"
        for text in self.joins_kept:
            yield f"join kept: {text}"
        if self.note:
            yield self.note
        yield f"rewritten in {self.seconds * 1000:.1f} ms"
