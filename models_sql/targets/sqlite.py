"""SQLite. It has no NaN: NULL stands for it, in tables and in results of arithmetic.

Declare number columns REAL: in others SQLite keeps what is written to them, of any type. A text in
a number column is read as 0 by a cast, so only numbers are cast here, and a query ends at others.
"""

from ...ir.steps import Function
from ..storage import Storage
from ..target import TRIGONOMETRY, Forms, Limits, Target, quotient
from ..walks import RowWalk


def exact(value: float) -> str:
    """Write a number as a quotient of whole ones, which SQLite reads to the same bits.

    Decimals it rounds in its own way, now and then to the wrong neighbour.
    """
    return quotient(value, "{}.0", places=62)


_NO_NUMBER = "json_extract('[]', 'foresql: a number column holds ' || typeof({0}) || {0})"
_NO_TEXT = "json_extract('[]', 'foresql: a text column holds ' || typeof({0}))"

TARGET = Target(
    name="sqlite",
    title="SQLite",
    dialect="sqlite",
    evidence="run by the tests (SQLite 3.40)",
    number=exact,
    infinity="9e999",
    minus_infinity="-9e999",
    is_nan=None,
    divides_by_zero=False,
    to_double=(
        "CASE typeof({0}) WHEN 'real' THEN {0} WHEN 'integer' THEN CAST({0} AS REAL) "
        f"WHEN 'null' THEN NULL ELSE {_NO_NUMBER} END"
    ),
    truth_to_double="CASE WHEN {0} THEN 1.0 WHEN NOT {0} THEN 0.0 END",
    text_key=(
        f"CASE typeof({{0}}) WHEN 'text' THEN {{0}} WHEN 'null' THEN NULL ELSE {_NO_TEXT} END"
    ),
    truths=("0", "1"),
    greatest="max({})",
    remainder="mod({}, {})",
    power="pow({}, {})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        **TRIGONOMETRY,
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    # The path of a JSON value that is none is an error, whose message quotes it.
    refusal=(
        "CASE WHEN {condition} THEN json_extract('[]', {message} || coalesce({value}, '')) "
        "ELSE 0 END"
    ),
    stage="{name} AS MATERIALIZED (\n{query}\n)",
    limits=Limits(bytes=1_000_000, terms=400, depth=60, cases=14, columns=2_000),
    walk=RowWalk(
        row="(SELECT {column} FROM {table} WHERE id = {index})",
        position="{record} >> {bits}",
        sum=(
            "(WITH RECURSIVE w(record, total) AS (\n"
            "      SELECT n.record, CASE WHEN n.record > 0 THEN {start} "
            "ELSE {start} + n.value END\n"
            "      FROM {table} AS n WHERE n.id = {first}\n"
            "      UNION ALL\n"
            "      SELECT n.record, CASE WHEN n.record > 0 THEN w.total "
            "ELSE w.total + n.value END\n"
            "      FROM w CROSS JOIN {table} AS n WHERE w.record <> 0 AND n.id = "
            "CASE WHEN w.record < 0 THEN -w.record ELSE {position} END\n"
            "    ) SELECT total FROM w WHERE record = 0)"
        ),
    ),
    forms=Forms(view="CREATE VIEW {name} AS\n{query}", drop_view="DROP VIEW IF EXISTS {name}"),
    storage=Storage(
        key=" PRIMARY KEY",
        integer="INTEGER",
        double="REAL",
        text="TEXT",
        begin="BEGIN",
        commit="COMMIT",
        create="CREATE TABLE IF NOT EXISTS {name} ({columns})",
        empty="DELETE FROM {name}",
        client="sqlite3 my.sqlite < FILE",
    ),
)
