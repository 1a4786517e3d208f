"""A condition that a user writes in SQL: one expression, and nothing else."""

from __future__ import annotations

from .errors import MonitoringError

__all__ = ["checked_condition"]


def checked_condition(text: str) -> str:
    """Give a condition in brackets, ready to stand in a query.

    Raises
    ------
    MonitoringError
        If it is no single expression.
    """
    import sqlglot
    import sqlglot.errors
    from sqlglot import expressions as e

    try:
        statements = sqlglot.parse(text, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise MonitoringError(_problem(text, str(error).splitlines()[0])) from error
    found = statements[0] if len(statements) == 1 else None
    if not isinstance(found, e.Condition) or found.find(e.Query):
        raise MonitoringError(_problem(text, "it is not one expression over columns"))
    # The line ends a comment, which would take the bracket with it.
    return f"({text}\n)"


def _problem(text: str, reason: str) -> str:
    return (
        f"{text!r} is no condition: {reason}.\n"
        "  What to do: name columns of the features, as in \"flight_date < DATE '2013-10-01'\"."
    )
