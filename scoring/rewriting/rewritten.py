"""A query after rewriting, with the functions that it calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..query import bind_query

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import duckdb

    from ...udfs.duckdb import PrivateFunction
    from ..query import Called
    from .explaining import Explanation
    from .planning import Plan


@dataclass(slots=True, eq=False)
class Rewritten:
    """A query after rewriting.

    Its text calls functions of smaller models, which are there in this connection until
    :meth:`close`; in a ``with`` statement that happens at its end.

    Attributes
    ----------
    sql
        The text. Where it rests on statistics it ends with an error, and never with another
        answer, once the tables hold something else.
    explain
        What was done, and why.
    """

    sql: str
    explain: Explanation
    _connection: duckdb.DuckDBPyConnection = field(repr=False)
    _functions: list[PrivateFunction] = field(default_factory=list, repr=False)
    _is_own: bool = field(default=False, repr=False)
    _called: Called | None = field(default=None, repr=False)
    _plans: list[Plan] = field(default_factory=list, repr=False)

    @property
    def relation(self) -> duckdb.DuckDBPyRelation | None:
        """The query as a relation, which runs each time that it is read."""
        if self._called is not None:
            return bind_query(self._connection, self.sql, self._called)
        return self._connection.sql(self.sql)

    def execute(self) -> duckdb.DuckDBPyConnection:
        """Run the query."""
        return self._connection.execute(self.sql)

    def close(self) -> None:
        """Remove the functions of smaller models."""
        for function in self._functions:
            function.remove()
        self._functions.clear()
        if self._is_own:
            self._connection.close()

    def owns(self, plan: Plan) -> None:
        """Take the functions that go with this query."""
        self._functions += plan.functions
        self._plans.append(plan)

    @property
    def clearly_stays(self) -> bool:
        """Whether queries like it stay as they are too."""
        return bool(self._plans) and all(plan.is_clear for plan in self._plans)

    def described(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Write a query of the same columns that is planned sooner."""
        text = self.sql
        for plan in reversed(self._plans):
            for stand_in in reversed(plan.stand_ins):
                text = stand_in.written(connection, text)
        return text

    def calls_of(self, called: Called) -> None:
        """Say which models it calls."""
        self._called = called

    def belongs(self, *, is_own: bool) -> None:
        """Say whether its connection goes with it."""
        self._is_own = is_own

    def __enter__(self) -> Self:
        """Give this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the functions."""
        self.close()
