"""SQLite. It has no NaN: NULL stands for it, in tables and in results of arithmetic.

Declare number columns REAL: in others SQLite keeps what is written to them, of any type. A text in
a number column is read as 0 by a cast, so only numbers are cast here, and a query ends at others.
"""

import math

from ...ir.steps import Function
from ..target import Forms, Limits, Target

_PLACES = 62


def exact(value: float) -> str:
    """Write a number as a quotient of whole ones, which SQLite reads to the same bits.

    Decimals it rounds in its own way, now and then to the wrong neighbour.
    """
    if value.is_integer() and abs(value) < 2**53:
        return f"{int(value)}.0"
    mantissa, exponent = math.frexp(abs(value))
    whole, exponent = int(mantissa * 2**53), exponent - 53
    shared = (whole & -whole).bit_length() - 1
    whole, exponent = whole >> shared, exponent + shared
    written = [f"{whole}.0"]
    while exponent:
        part = min(abs(exponent), _PLACES)
        written.append(f"{'/' if exponent < 0 else '*'}{2**part}")
        exponent += part if exponent < 0 else -part
    sign = "-" if value < 0 else ""
    return f"({sign}{''.join(written)})"


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
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
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
    forms=Forms(view="CREATE VIEW {name} AS\n{query}"),
)
