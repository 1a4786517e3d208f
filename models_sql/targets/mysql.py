"""MySQL 8. Columns hold neither NaN nor infinity; an overflow ends the query.

Texts are compared as bytes: its collations take letters of either case, and trailing spaces, for
equal. A derived table would be merged into the query around it, which a LIMIT prevents.
"""

from ...ir.steps import Function
from ..storage import Storage
from ..target import Limits, Target, escaped


def binary(text: str) -> str:
    """Write a text as its bytes."""
    return f"X'{text.encode().hex().upper()}'" if text else "CAST('' AS BINARY)"


TARGET = Target(
    name="mysql",
    title="MySQL",
    dialect="mysql",
    evidence=(
        "the tests run this text in MariaDB 10.11, but for refusals; the reference manual of MySQL "
        "8.4 (Optimizing derived tables); unproven: numbers below 2.2e-308, that UUID_TO_BIN ends "
        "a query (a refused row would have no answer), limits of nesting"
    ),
    quotes=("`", "`"),
    infinity=None,
    minus_infinity=None,
    is_nan=None,
    has_denormals=None,
    divides_by_zero=False,
    text_key="CAST(CONVERT({} USING utf8mb4) AS BINARY)",
    text_literal=binary,
    message=escaped,
    truths=("0", "1"),
    functions={
        Function.EXP: "EXP({})",
        Function.LOG: "LN({})",
        Function.SQRT: "SQRT({})",
        Function.FLOOR: "FLOOR({})",
        Function.CEIL: "CEILING({})",
    },
    # A text that is no UUID ends the query, and the error quotes it.
    refusal=(
        "CASE WHEN {condition} THEN "
        "LENGTH(UUID_TO_BIN(CONCAT({message}, COALESCE({value}, '')))) ELSE 0 END"
    ),
    stage="{name} AS (\n{query}\n    LIMIT 18446744073709551615\n)",
    limits=Limits(bytes=4 * 2**20, terms=100, depth=60, cases=40, columns=1_000),
    storage=Storage(
        key=" PRIMARY KEY",
        text="LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        rename="RENAME TABLE {loading} TO {name}",
        null_in_file="NULL",
        suffix="csv",
        load=(
            (
                "LOAD DATA LOCAL INFILE '{file}' INTO TABLE {name} CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''"
            ),
        ),
        client="mysql --local-infile=1 DATABASE < FILE",
    ),
)
