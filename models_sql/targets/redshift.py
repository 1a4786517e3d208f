"""Redshift. An overflow, an underflow to zero and a division by zero end the query.

Numbers are text with a type: a literal by itself is NUMERIC, of 38 digits at most.

A backslash is never written in a text: whether it is an escape depends on a setting.
"""

from ...ir.steps import Function
from ..target import Limits, Target, doubled
from .postgres import number


def without_backslashes(text: str) -> str:
    """Write a text literal in pieces around each backslash."""
    pieces = " || CHR(92) || ".join(doubled(piece) for piece in text.split("\\"))
    return f"({pieces})" if "\\" in text else pieces


TARGET = Target(
    name="redshift",
    title="Redshift",
    dialect="redshift",
    evidence=(
        "to be checked against "
        "the Amazon Redshift developer guide (Floating-point types, CAST, Quotas and limits); "
        "sqlglot parses it, no test runs it"
    ),
    folds="lower",
    number=number,
    infinity="'Infinity'::float8",
    minus_infinity="'-Infinity'::float8",
    is_nan="{} = 'NaN'::float8",
    has_denormals=False,
    divides_by_zero=False,
    to_double="CAST({} AS float8)",
    to_float32="CAST(CAST({} AS float4) AS float8)",
    truth_to_double="CASE WHEN {0} THEN '1'::float8 WHEN NOT {0} THEN '0'::float8 END",
    text_literal=without_backslashes,
    message=without_backslashes,
    functions={
        Function.EXP: "EXP({})",
        Function.LOG: "LN({})",
        Function.SQRT: "SQRT({})",
        Function.FLOOR: "FLOOR({})",
        Function.CEIL: "CEIL({})",
    },
    # The row's value keeps the cast from being computed before a row is read.
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} || COALESCE(CAST({value} AS VARCHAR), '') AS INT) ELSE 0 END"
    ),
    limits=Limits(bytes=16 * 2**20, terms=200, depth=100, cases=60, columns=1_600),
)
