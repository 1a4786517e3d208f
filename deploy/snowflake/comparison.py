"""Two versions on a sample of a table: how many answers differ, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...udfs.answers import PREDICT, PROBA
from ...udfs.snowflake.literals import float_literal
from ...udfs.snowflake.names import argument_names, literal, quote, relation_name
from ...udfs.snowflake.statements import call, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...udfs.snowflake.functions import ServedFunction
    from ...udfs.snowflake.statements import Release
    from .settings import Settings

MOST_ROWS = 1_000_000
"""Source: https://docs.snowflake.com/en/sql-reference/constructs/sample"""
_FLOAT = "FLOAT"


def compare_versions(  # noqa: PLR0913 - keyword options of one call
    new: Release,
    old: Release,
    settings: Settings,
    *,
    table: str,
    rows: int,
    most: float | None,
) -> Iterator[tuple[str, str]]:
    """Compare the predictions of two versions, and their probabilities where there is one.

    Gives the name of the function, and a SELECT: rows, rows that differ, and the largest
    difference of numbers. It ends with an error where more than ``most`` differs: the largest
    difference, or the share of rows where the answers are labels.

    Raises
    ------
    ForesqlError
        If the table, the number of rows or the bound makes no sense.
    """
    if not 1 <= rows <= MOST_ROWS:
        raise ForesqlError(f"A sample has 1 to {MOST_ROWS:,} rows, and not {rows:,}.")
    if most is not None and not most >= 0:
        raise ForesqlError(f"The largest change is a number of at least 0, and not {most}.")
    relation = relation_name(table)
    before = {function.kind: function for function in old.functions}
    for function in new.functions:
        other = before.get(function.kind)
        if other is None or function.kind not in {PREDICT, PROBA}:
            continue
        if function.kind == PROBA and function.returns != _FLOAT:
            continue
        named = [
            call(settings.places.in_models(release.name(each)), each, _columns(each))
            for release, each in ((new, function), (old, other))
        ]
        are_numbers = function.returns == other.returns == _FLOAT
        text = _statement(named, f'{relation} AS "f" SAMPLE ROW ({rows} ROWS)', are_numbers)
        yield function.kind, text if most is None else _bounded(text, new, old, most, are_numbers)


def _columns(function: ServedFunction) -> list[str]:
    names = argument_names([argument.name for argument in columns_of(function)])
    return [f'"f".{quote(name)}' for name in names]


def _statement(calls: list[str], source: str, are_numbers: bool) -> str:
    """Count what differs; a number against none is an infinite change."""
    change = (
        'MAX(IFF("new" IS DISTINCT FROM "old", COALESCE(ABS("new" - "old"), '
        "'inf'::FLOAT), 0::FLOAT))"
    )
    largest = change if are_numbers else "NULL"
    return (
        "SELECT\n"
        '    COUNT(*) AS "ROWS",\n'
        '    COUNT_IF("new" IS DISTINCT FROM "old") AS "DIFFERENT",\n'
        f'    {largest} AS "LARGEST_DIFFERENCE"\n'
        "FROM (\n"
        f'    SELECT\n        {calls[0]} AS "new",\n        {calls[1]} AS "old"\n'
        f"    FROM {source}\n"
        ') AS "sampled"'
    )


def _bounded(text: str, new: Release, old: Release, most: float, are_numbers: bool) -> str:
    limit = float_literal(float(most))
    size = '"LARGEST_DIFFERENCE"' if are_numbers else '"DIFFERENT" / "ROWS"'
    least = '"LARGEST_DIFFERENCE"' if are_numbers else '"DIFFERENT"'
    is_within = f"{least} <= {limit}" + ("" if are_numbers else ' * "ROWS"')
    said = f"{new.label} differs from {old.label} by more than {most:g} on the sample: "
    none = f"{new.label} cannot be compared with {old.label}: rows of the sample: "
    inner = "\n".join(f"    {line}" for line in text.splitlines())
    return (
        "SELECT\n"
        f'    CASE WHEN "ROWS" = 0 THEN TO_NUMBER({literal("foresql: " + none)} || "ROWS") '
        f'WHEN {is_within} THEN "ROWS" ELSE '
        f'TO_NUMBER({literal("foresql: " + said)} || {size}) END AS "ROWS",\n'
        '    "DIFFERENT",\n    "LARGEST_DIFFERENCE"\n'
        f'FROM (\n{inner}\n) AS "compared"'
    )
