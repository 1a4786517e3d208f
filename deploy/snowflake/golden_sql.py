"""A check of golden rows as one SELECT, or several where one would be too long."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ...ir import ColumnType
from ...udfs.snowflake.literals import NAN, float_literal, value_literal
from ...udfs.snowflake.names import argument_names, literal, quote
from ...udfs.snowflake.statements import call, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...certify.golden import Golden
    from ...ir import Model
    from ...kernels.columns import Values
    from ...udfs.snowflake.functions import ServedFunction

    Path = tuple[str | int, ...]

MOST_BYTES = 250_000
"""Letters of rows in a statement; Snowflake takes 1 MB."""
_TINY = sys.float_info.min


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRows:
    """Golden rows of a model, those that are kept, and every column of the model for all."""

    model: Model
    golden: Golden
    values: Values
    kept: tuple[int, ...]

    def first(self, count: int) -> GoldenRows:
        """Keep at most ``count`` rows."""
        return replace(self, kept=self.kept[:count])


@dataclass(frozen=True, slots=True, eq=False)
class Equal:
    """A label a row, which an answer must be."""

    type: ColumnType
    labels: tuple[object, ...]

    columns = ("LABEL",)

    def cells(self, row: int) -> tuple[str, ...]:
        """Write what is expected of a row."""
        return (value_literal(self.labels[row], self.type),)

    def condition(self, answer: str, columns: Sequence[str]) -> str:
        """Say that an answer is as expected."""
        return f"{answer} IS NOT DISTINCT FROM {columns[0]}"


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """Two numbers a row, between which an answer, or what is at a path in it, lies."""

    path: Path
    low: tuple[float, ...]
    high: tuple[float, ...]

    columns = ("LOW", "HIGH")

    def cells(self, row: int) -> tuple[str, ...]:
        """Write what is expected of a row."""
        low, high = self.low[row], self.high[row]
        # Snowflake may hold smaller numbers as 0.
        low = -_TINY if 0 < abs(low) < _TINY else low
        high = _TINY if 0 < abs(high) < _TINY else high
        return float_literal(low), float_literal(high)

    def condition(self, answer: str, columns: Sequence[str]) -> str:
        """Say that an answer is as expected; a missing one is NULL or NaN, which equals itself."""
        return f"COALESCE({_at(answer, self.path)}, {NAN}) BETWEEN {columns[0]} AND {columns[1]}"


Expected = Equal | Between


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Golden rows with what is expected of each, as a list of values.

    Attributes
    ----------
    rows, expected
        What is listed.
    types
        The SQL type of each column of the model.
    columns
        Under which names the columns of the model are listed.
    """

    rows: GoldenRows
    expected: tuple[Expected, ...]
    types: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def row(self) -> str:
        """The quoted name of the row's number."""
        return self._free("ROW")

    @property
    def bounds(self) -> list[tuple[str, ...]]:
        """The quoted names of what is expected."""
        return [
            tuple(self._free(f"{column} OF {place}") for column in each.columns)
            for place, each in enumerate(self.expected, start=1)
        ]

    def chunks(self) -> Iterator[tuple[int, str]]:
        """Give runs of rows that are short enough for a statement: how many, and their query.

        It is a union, and no list of VALUES: those take constants alone, and Snowflake does not say
        which arithmetic is one.
        """
        written = [self._row(place) for place in range(len(self.rows.kept))]
        sizes = [sum(map(len, row)) for row in written]
        bounds = [name for names in self.bounds for name in names]
        names = [self.row, *map(quote, self.columns), *bounds]
        for first, end in pairwise(_cuts(sizes)):
            named = [f"{cell} AS {name}" for cell, name in zip(written[first], names, strict=True)]
            rows = [named, *written[first + 1 : end]]
            text = " UNION ALL\n        ".join(f"SELECT {', '.join(row)}" for row in rows)
            yield end - first, f"(\n        {text}\n    )"

    def _free(self, name: str) -> str:
        """Quote a name that no column of the model has."""
        taken = {column.upper() for column in self.columns}
        while name.upper() in taken:
            name += "_"
        return quote(name)

    def _row(self, place: int) -> list[str]:
        index = self.rows.kept[place]
        given = [
            value_literal(value, ColumnType.DOUBLE if kind == "FLOAT" else column.type)
            for value, kind, column in zip(
                self.rows.golden.rows[index],
                self.types,
                self.rows.model.signature.columns,
                strict=True,
            )
        ]
        expected = [cell for each in self.expected for cell in each.cells(place)]
        return [str(index), *given, *expected]


@dataclass(frozen=True, slots=True, eq=False)
class GoldenTable:
    """Rows, the functions that are called for them, and what these must answer."""

    rows: GoldenRows
    functions: tuple[ServedFunction, ...]
    expected: tuple[tuple[ServedFunction, Expected], ...]

    def statements(
        self, name_of: Callable[[ServedFunction], str], label: str, level: float
    ) -> Iterator[str]:
        """Write the checks, each of which ends with an error, or gives the rows that passed."""
        arguments = columns_of(self.functions[0])
        listing = Listing(
            self.rows,
            tuple(each for _, each in self.expected),
            tuple(argument.type for argument in arguments),
            argument_names([argument.name for argument in arguments]),
        )
        answers = {each.kind: f'"answer of {each.kind}"' for each in self.functions}
        typed = [
            f"{quote(column)}::{kind}"
            for column, kind in zip(listing.columns, listing.types, strict=True)
        ]
        calls = "".join(
            f",\n        {call(name_of(each), each, typed, float_literal(level))} "
            f"AS {answers[each.kind]}"
            for each in self.functions
        )
        conditions = [
            each.condition(answers[function.kind], names)
            for (function, each), names in zip(self.expected, listing.bounds, strict=True)
        ]
        what = f"{label} are not answered as certified by {', '.join(map(name_of, self.functions))}"
        for count, rows in listing.chunks():
            answered = f'    SELECT\n        "golden".*{calls}\n    FROM {rows} AS "golden"'
            yield verdict(what, count, listing.row, answered, conditions)


def verdict(what: str, count: int, row: str, answered: str, conditions: Sequence[str]) -> str:
    """Write a SELECT that gives the number of rows, or ends with an error at one that fails."""
    text = literal(f" of {count} golden rows of {what}; the first is row ")
    passed = "\n    AND ".join(conditions)
    return (
        "SELECT\n"
        f"    CASE WHEN COUNT(*) = 0 THEN {count} ELSE TO_NUMBER('foresql: ' || COUNT(*)"
        f' || {text} || MIN({row})) END AS "GOLDEN_ROWS_PASSED"\n'
        f'FROM (\n{answered}\n) AS "answered"\n'
        f"WHERE NOT (\n    {passed}\n)"
    )


def _cuts(sizes: Sequence[int]) -> list[int]:
    """Cut rows into runs that are short enough."""
    cuts, size = [0], 0
    for place, each in enumerate(sizes):
        if size and size + each > MOST_BYTES:
            cuts.append(place)
            size = 0
        size += each
    return [*cuts, len(sizes)]


def _at(answer: str, path: Path) -> str:
    if not path:
        return answer
    for key in path:
        answer = f"GET({answer}, {key if isinstance(key, int) else literal(key)})"
    return f"{answer}::FLOAT"
