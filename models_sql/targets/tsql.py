"""SQL Server, T-SQL. Columns hold neither NaN nor infinity; an overflow ends the query.

CASEs nest 10 levels at most. Texts are compared as bytes of UTF-16: its comparisons ignore trailing
spaces in every collation.
"""

from ...ir.steps import Function
from ..target import Forms, Limits, Target, doubled


def binary(text: str) -> str:
    """Write a text as its bytes in UTF-16."""
    return f"0x{text.encode('utf-16-le').hex().upper()}"


def national(text: str) -> str:
    """Write a text of any letters."""
    return "N" + doubled(text)


TARGET = Target(
    name="tsql",
    title="SQL Server",
    dialect="tsql",
    evidence=(
        "to be checked against "
        "the Transact-SQL reference for SQL Server 2022 (float and real, CASE, GREATEST, CAST and "
        "CONVERT); sqlglot parses it, no test runs it"
    ),
    quotes=("[", "]"),
    infinity=None,
    minus_infinity=None,
    is_nan=None,
    has_denormals=False,
    divides_by_zero=False,
    to_double="CAST({} AS FLOAT(53))",
    to_float32="CAST(CAST({} AS REAL) AS FLOAT(53))",
    truth_to_double="CASE {0} WHEN 1 THEN 1e0 WHEN 0 THEN 0e0 END",
    text_key="CAST(CAST({} AS NVARCHAR(MAX)) AS VARBINARY(MAX))",
    text_literal=binary,
    message=national,
    truths=("CAST(0 AS BIT)", "CAST(1 AS BIT)"),
    functions={
        Function.EXP: "EXP({})",
        Function.LOG: "LOG({})",
        Function.SQRT: "SQRT({})",
        Function.FLOOR: "FLOOR({})",
        Function.CEIL: "CEILING({})",
    },
    # A text that is no number ends the query, and the error quotes it.
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} + COALESCE(CAST({value} AS NVARCHAR(40)), N'') AS INT) ELSE 0 END"
    ),
    limits=Limits(bytes=16 * 2**20, terms=100, depth=60, cases=10, columns=1_000),
    forms=Forms(view="CREATE OR ALTER VIEW {name} AS\n{query}"),
)
