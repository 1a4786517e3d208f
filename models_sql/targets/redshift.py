"""Redshift. An overflow, an underflow to zero and a division by zero end the query.

Nothing says how text is rounded to a float, so numbers are written as quotients of whole ones.
Comparisons of texts ignore trailing spaces, so bytes are compared.

A backslash is never written in a text: whether it is an escape depends on a setting.
"""

from ...ir.steps import Function
from ..storage import Storage
from ..target import Limits, Target, doubled, quotient


def number(value: float) -> str:
    """Write a number by whole ones, each of which a float8 holds."""
    return quotient(value, "{}::float8")


def without_backslashes(text: str) -> str:
    """Write a text literal in pieces around each backslash."""
    pieces = " || CHR(92) || ".join(doubled(piece) for piece in text.split("\\"))
    return f"({pieces})" if "\\" in text else pieces


def binary(text: str) -> str:
    """Write a text as its bytes."""
    return f"CAST({without_backslashes(text)} AS VARBYTE(65535))"


TARGET = Target(
    name="redshift",
    title="Redshift",
    dialect="redshift",
    evidence=(
        "the Amazon Redshift developer guide (Numeric types, Significance of trailing blanks, "
        "VARBYTE type, GREATEST and LEAST, LN; 16 MB a statement); unproven: numbers below "
        "2.2e-308, overflow, last bits of EXP and LN, limits of nesting"
    ),
    folds="lower",
    number=number,
    infinity="'Infinity'::float8",
    minus_infinity="'-Infinity'::float8",
    # True of NaN whether it is unequal to itself, or equal.
    is_nan="({0} <> {0} OR {0} = 'NaN'::float8)",
    has_denormals=None,
    divides_by_zero=False,
    to_double="CAST({} AS float8)",
    to_float32="CAST(CAST({} AS float4) AS float8)",
    truth_to_double="CASE WHEN {0} THEN 1::float8 WHEN NOT {0} THEN 0::float8 END",
    text_key="CAST({} AS VARBYTE(65535))",
    text_literal=binary,
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
    storage=Storage(
        integer="int8",
        double="float8",
        text="varchar(65535)",
        begin="BEGIN",
        commit="COMMIT",
        create="CREATE TABLE IF NOT EXISTS {name} ({columns})",
        empty="DELETE FROM {name}",
        suffix="parquet",
        load=("COPY {name} FROM '{stage}/{file}' IAM_ROLE default FORMAT AS PARQUET",),
        client="psql -v ON_ERROR_STOP=1 -f FILE",
    ),
)
