"""SQL Server, T-SQL. Columns hold neither NaN nor infinity; an overflow ends the query.

Nothing says how decimals are rounded to a float, so numbers are written as quotients of whole ones.
CASEs nest 10 levels at most. Texts are compared as bytes of UTF-16: its comparisons ignore trailing
spaces in every collation.
"""

from ...ir.steps import Function
from ..storage import Storage
from ..target import Forms, Limits, Target, doubled, quotient


def number(value: float) -> str:
    """Write a number by whole ones, each of which a FLOAT(53) holds."""
    return quotient(value, "{}e0", "{}e0")


def binary(text: str) -> str:
    """Write a text as its bytes in UTF-16."""
    return f"0x{text.encode('utf-16-le').hex().upper()}"


def national(text: str) -> str:
    """Write a text of any letters."""
    return "N" + doubled(text)


TARGET = Target(
    name="tsql",
    nests_with=False,
    title="SQL Server",
    dialect="tsql",
    evidence=(
        "the Transact-SQL reference (CASE: 10 levels) and MSSQLSERVER_2570 (a float holds no NaN, "
        "infinity or denormal number); unproven: integers beyond 2**53 as float, last bits of EXP "
        "and LN"
    ),
    quotes=("[", "]"),
    number=number,
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
    storage=Storage(
        key=" PRIMARY KEY",
        double="FLOAT(53)",
        text="NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2",
        begin="BEGIN TRANSACTION",
        commit="COMMIT TRANSACTION",
        create="IF OBJECT_ID({text}) IS NULL CREATE TABLE {name} ({columns})",
        empty="DELETE FROM {name}",
        end="\nGO\n",
        client="sqlcmd -b -i FILE",
    ),
)
