"""Queries that end with an error where a table's rows would not be scored as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...scoring.merging import indented
from ...udfs.snowflake.names import literal, quote
from .merge import current_rows, scored_rows
from .upkeep import SCORING_HASH

if TYPE_CHECKING:
    from .upkeep import Upkeep

_SAMPLE = 10
_TYPES = {
    "FLOAT": "DATA_TYPE IN ('FLOAT', 'NUMBER')",
    "NUMBER(38, 0)": "DATA_TYPE = 'NUMBER' AND NUMERIC_SCALE = 0",
    "VARCHAR": "DATA_TYPE = 'TEXT'",
    "BOOLEAN": "DATA_TYPE = 'BOOLEAN'",
    "TIMESTAMP_NTZ": "DATA_TYPE IN ('TIMESTAMP_NTZ', 'DATE')",
}
"""As which types a column arrives whole: a time with a zone would be moved by the session's."""


def check_types(upkeep: Upkeep) -> str:
    """Write a query that fails where a column that a model reads would be changed by a cast."""
    database, schema, table = upkeep.source
    cases = [
        f"  WHEN COUNT_IF(COLUMN_NAME = {literal(name)} AND {_TYPES[type_]}) = 0 THEN "
        f"TO_NUMBER({literal(_message(name, type_))} || COUNT(*))"
        for name, type_ in sorted(upkeep.query.declared.items())
    ]
    if upkeep.query.row is not None:
        name = literal(upkeep.query.row.upper())
        message = literal(
            f"the query passes its row by {upkeep.query.row}, and the table has a column of that "
            "name, which DuckDB would pass; call the table by another alias; such columns: "
        )
        several = f"COUNT_IF(UPPER(COLUMN_NAME) = {name})"
        cases.append(f"  WHEN {several} > 0 THEN TO_NUMBER({message} || {several})")
    return "\n".join(
        (
            "SELECT CASE",
            *(cases or ["  WHEN COUNT(*) = 0 THEN TO_NUMBER('the table has no columns ' || 0)"]),
            "  ELSE 0 END AS PROBLEMS",
            f"FROM {quote(database)}.INFORMATION_SCHEMA.COLUMNS",
            f"WHERE TABLE_SCHEMA = {literal(schema)} AND TABLE_NAME = {literal(table)}",
        )
    )


def check_keys(upkeep: Upkeep) -> str:
    """Write a query that fails where several rows have one key; it counts all rows."""
    return f"SELECT COUNT(*) AS KEYS FROM (\n{indented(current_rows(upkeep))}\n)"


def check_functions(upkeep: Upkeep) -> str:
    """Write a query that fails where a function is missing, or may not be called."""
    return "\n".join(
        (
            "SELECT * FROM (",
            indented(scored_rows(upkeep, f"(\n{indented(current_rows(upkeep))}\n)")),
            ")",
            f"LIMIT {_SAMPLE}",
        )
    )


def check_same_scoring(upkeep: Upkeep) -> str:
    """Write a query that fails where predictions are there by other versions or another query."""
    message = literal(
        "foresql: predictions are there already, by other versions or another query, and what "
        "keeps them up to date stays as it is; go over by --do upgrade; rows: "
    )
    return (
        f"SELECT CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER({message} || COUNT(*)) END AS "
        f"PROBLEMS\nFROM {upkeep.target_table}\n"
        f"WHERE {quote(SCORING_HASH)} IS DISTINCT FROM {literal(upkeep.scoring_hash)}"
    )


def _message(column: str, type_: str) -> str:
    return (
        f"the model reads column {column} as {type_}, and the table has none of a type that is "
        "the same number or text; columns of the table: "
    )
