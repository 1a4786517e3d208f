"""Whether a call's model becomes smaller, and by what: where that is estimated to pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .costs import Refusal, hardly_less, statistics_pay, too_little
from .exits import find_exit, in_filter
from .pruned import domains_of, known_of, prune_call, prune_more, value_problem

if TYPE_CHECKING:
    from collections.abc import Container

    from .calls import Call
    from .costs import Rows
    from .knowledge import Knowledge
    from .pruned import Pruning

_NOTHING = Refusal("nothing is known that makes its model smaller")


@dataclass(frozen=True, slots=True)
class Chooser:
    """Chooses by what a query says, by what a sample of its tables holds, and by all they hold.

    Attributes
    ----------
    plain, sampled, measured
        What the query alone says; with what a sample holds; with statistics. Both are None where
        statistics are not to be used.
    """

    plain: Knowledge
    sampled: Knowledge | None
    measured: Knowledge | None
    rows: Rows
    route: str
    safe: Container[str]

    def choose(self, call: Call) -> Pruning | Refusal:
        """Prune a call's model; or say why it stays as it is."""
        problem = value_problem(call)
        if problem is not None:
            return Refusal(problem)
        return self._where_it_pays(call) if self.route == "auto" else self._always(call)

    def _always(self, call: Call) -> Pruning | Refusal:
        pruning = prune_call(call, self.plain, self.safe)
        if self.measured is not None:
            pruning = prune_more(pruning, self.measured)
        if pruning.is_smaller or self.route == "sql" or find_exit(pruning) is not None:
            return pruning
        return _NOTHING

    def _where_it_pays(self, call: Call) -> Pruning | Refusal:
        """Look at little first: most queries stay as they are, and that must cost next to nothing.

        So nothing is counted where all rows are too few, and no model is pruned for nothing.
        """
        threads = self.rows.threads
        most = self.rows.most(call, self.plain)
        problem = None if most is None else too_little(call, most, threads)
        if problem is not None:
            return problem
        is_plain = not domains_of(known_of(call, self.plain)) and not in_filter(call)
        if is_plain and not (self.sampled and self._may_ask(call, most)):
            return _NOTHING
        rows = self.rows.of(call, self.plain)
        problem = too_little(call, rows, threads)
        if problem is not None:
            return problem
        pruning = self._with_statistics(prune_call(call, self.plain, self.safe), rows)
        if find_exit(pruning) is not None:
            return pruning
        if not pruning.is_smaller:
            return _NOTHING
        return hardly_less(pruning, rows, threads) or pruning

    def _with_statistics(self, pruning: Pruning, rows: int | None) -> Pruning:
        """Prune for all that the tables hold, if what a sample holds would leave much less."""
        if self.sampled is None or self.measured is None or not self._may_ask(pruning.call, rows):
            return pruning
        least = prune_more(pruning, self.sampled)
        if not statistics_pay(pruning, least, rows, self.rows.threads):
            return pruning
        found = prune_more(pruning, self.measured)
        return found if statistics_pay(pruning, found, rows, self.rows.threads) else pruning

    def _may_ask(self, call: Call, rows: int | None) -> bool:
        return too_little(call, rows, self.rows.threads, with_statistics=True) is None
