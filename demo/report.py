"""What an analyst asks of the published model, in SQL, and how the answers look."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import duckdb
from rich import box
from rich.bar import Bar
from rich.syntax import Syntax
from rich.table import Table

from .train import FIRST_TEST_DAY

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

__all__ = ["Answer", "ask_questions", "print_answers"]

MODEL = "delay@champion"
BAR_WIDTH = 20

SCORING_QUERY = """\
SELECT {group},
       count(*) AS flights,
       avg(predict_proba_delay(f)) AS predicted,
       avg(o.is_late::INTEGER) AS actual
FROM flight_features f
JOIN flight_outcomes o USING (flight_id)
{join}WHERE f.flight_date >= '{day}' AND o.is_late IS NOT NULL
GROUP BY ALL
ORDER BY {order}"""


@dataclass(frozen=True, slots=True)
class Question:
    """One way to group the flights."""

    title: str
    group: str
    order: str
    join: str = ""

    @property
    def sql(self) -> str:
        """The query, which scores every flight of the test period."""
        return SCORING_QUERY.format(
            group=self.group, order=self.order, join=self.join, day=FIRST_TEST_DAY
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one question: group, flights, predicted and actual share of late flights."""

    name: str
    question: Question
    rows: list[tuple[Any, int, float, float]]
    seconds: float


QUESTIONS = {
    "airline": Question(
        title="Late arrivals by airline",
        group="a.airline_name AS airline",
        order="predicted DESC",
        join="JOIN stg_airlines a USING (carrier)\n",
    ),
    "airport": Question(
        title="Late arrivals by airport of departure",
        group="a.airport_name AS airport",
        order="predicted DESC",
        join="JOIN stg_airports a ON a.airport = f.origin\n",
    ),
    "hour": Question(title="Late arrivals by hour of departure", group="f.hour", order="f.hour"),
}


def ask_questions(database: Path, registry: Path) -> dict[str, Answer]:
    """Run every question in DuckDB, each of them scoring the test period's flights.

    Parameters
    ----------
    database
        The DuckDB file, after `dbt build`.
    registry
        The folder of published models.
    """
    from ..scoring import register

    with duckdb.connect(str(database)) as connection:
        register(connection, MODEL, registry=registry)
        return {name: ask(connection, name, question) for name, question in QUESTIONS.items()}


def ask(connection: duckdb.DuckDBPyConnection, name: str, question: Question) -> Answer:
    started = perf_counter()
    rows = connection.execute(question.sql).fetchall()
    return Answer(name, question, rows, perf_counter() - started)


def print_answers(console: Console, answers: dict[str, Answer]) -> None:
    """Print one query in full, a table for each answer, and bars for the hours."""
    console.print("\nAny DuckDB query can ask the model; this is the first of the three below:\n")
    console.print(Syntax(answers["airline"].question.sql, "sql", background_color="default"))
    for name in ("airline", "airport"):
        console.print(share_table(answers[name]))
    console.print(share_bars(answers["hour"]))


def share_table(answer: Answer) -> Table:
    table = new_table(answer)
    for name in ("predicted late", "actually late"):
        table.add_column(name, justify="right")
    for group, flights, predicted, actual in answer.rows:
        table.add_row(str(group), f"{flights:,}", f"{predicted:.1%}", f"{actual:.1%}")
    return table


def share_bars(answer: Answer) -> Table:
    table = new_table(answer)
    longest = max(max(predicted, actual) for _, _, predicted, actual in answer.rows)
    for name in ("predicted late", "actually late"):
        table.add_column("", justify="right")
        table.add_column(name, width=BAR_WIDTH)
    for group, flights, predicted, actual in answer.rows:
        bars = [
            part
            for share, color in ((predicted, "cyan"), (actual, "magenta"))
            for part in (f"{share:.1%}", Bar(longest, 0, share, color=color))
        ]
        table.add_row(f"{group:02d}", f"{flights:,}", *bars)
    return table


def new_table(answer: Answer) -> Table:
    title = f"{answer.question.title}, October to December"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(answer.name)
    table.add_column("flights", justify="right")
    return table
