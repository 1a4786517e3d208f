"""Checks of arithmetic: what compiled SQL relies on, compared bit by bit.

Numbers go in and come out as the hexadecimal digits of their bits, by two Python functions: so
neither a literal nor a client stands between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ....errors import AccountError
from ....models_sql import LINK_ULPS, target_of
from ....udfs.snowflake.names import literal
from .bits import ask_bits, bits_function, given, hexadecimal, in_order, number, numbered, ulps
from .check import Check, Violation, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .scratch import Scratch

_DENORMALS = (5e-324, -5e-324, 2.2250738585072009e-308, 1e-310)
_NUMBERS = (
    0.1, 1 / 3, -2.5e-10, 1.7976931348623157e308, 2.2250738585072014e-308, 123456789.123456789,
    1e-300, -1e300, math.pi, 2.0**53 + 2, 1 + 2**-52, 4.35, 1e23, 9.5367431640625e-07,
)  # fmt: skip
_INTEGERS = (
    0, -1, 2**53, 2**53 + 1, 2**53 + 3, -(2**53) - 1, 2**63 - 1, 10**18 + 1, 2**64 + 2**11 + 1,
    10**38 - 1,
)  # fmt: skip
_EXPONENTS = (
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1e-10, -1e-17, 0.1, -0.3, 2.302585092994046, -36.7, 36.7,
    -700.1, 700.1, 709.7, -708.3, 3.141592653589793, -11.25, 19.999999999999996,
)  # fmt: skip
_POSITIVE = (
    1.0, 2.0, 0.5, 0.1, 10.0, 1e-10, 1e10, 1e300, 1e-300, 0.9999999999999999, 1.0000000000000002,
    2.718281828459045, 0.3333333333333333, 7.389056098930649, 123456.789, 5e-5,
)  # fmt: skip


def _round_trip(scratch: Scratch) -> str:
    expressions = [given(scratch, value) for value in _NUMBERS]
    found = ask_bits(scratch, expressions)
    expect(found, [hexadecimal(value) for value in _NUMBERS], "bits of numbers")
    return f"{len(found)} numbers kept all their bits"


def _literals(scratch: Scratch) -> str:
    write = target_of("snowflake").number
    values = [value for value in _NUMBERS if not value.is_integer()]
    found = ask_bits(scratch, [write(value) for value in values])
    expect(found, [hexadecimal(value) for value in values], "bits of quotients")
    return f"{len(found)} quotients of whole numbers have the bits that are meant"


def _text_literals(scratch: Scratch) -> str:
    found = ask_bits(scratch, [f"{literal(repr(value))}::FLOAT" for value in _NUMBERS])
    expect(found, [hexadecimal(value) for value in _NUMBERS], "bits of texts read as FLOAT")
    return f"{len(found)} texts are rounded to the nearest FLOAT"


def _integers(scratch: Scratch) -> str:
    found = ask_bits(
        scratch, [f"CAST(CAST({literal(str(n))} AS NUMBER(38, 0)) AS FLOAT)" for n in _INTEGERS]
    )
    expect(found, [hexadecimal(float(n)) for n in _INTEGERS], "integers as FLOAT")
    return "integers of up to 38 digits are rounded to the nearest FLOAT, ties to even"


def _denormals(scratch: Scratch) -> str:
    table = scratch.place("SMALL")
    rows = numbered([given(scratch, value) for value in _DENORMALS])
    scratch.run(f"CREATE OR REPLACE TABLE {table} AS\n{rows}")
    stored = scratch.run(f"SELECT i, {bits_function(scratch)}(x) FROM {table} ORDER BY i")
    expected = [hexadecimal(value) for value in _DENORMALS]
    expect(in_order(stored, len(expected)), expected, "numbers below 2.2e-308 in a table")
    small = given(scratch, 2.2250738585072014e-308)
    expect(ask_bits(scratch, [f"{small} / 4"]), ["0004000000000000"], "2.2e-308 / 4")
    above = scratch.run(f"SELECT i, x > 0, x < 0 FROM {table} ORDER BY i")
    signs = [(index, value > 0, value < 0) for index, value in enumerate(_DENORMALS)]
    expect(above, signs, "comparisons with 0")
    return "they are stored, computed and compared as they are"


def _overflow(scratch: Scratch) -> str:
    large = given(scratch, 1e308)
    try:
        found = ask_bits(scratch, [f"{large} * 10", f"{large} * -10"])
    except AccountError:
        return "ends the query with an error"
    expect(found, [hexadecimal(math.inf), hexadecimal(-math.inf)], "1e308 * 10")
    return "gives infinity"


def _addition(scratch: Scratch) -> str:
    a, b, c = (given(scratch, value) for value in (0.1, 0.2, 0.3))
    factor, less = given(scratch, 1 + 2.0**-27), given(scratch, -(1 + 2.0**-26))
    found = ask_bits(scratch, [f"({a} + {b}) + {c}", f"{a} + ({b} + {c})", f"{a} + {b} + {c}",
                               f"{factor} * {factor} + {less}"])  # fmt: skip
    left, right = hexadecimal((0.1 + 0.2) + 0.3), hexadecimal(0.1 + (0.2 + 0.3))
    expect(found, [left, right, left, hexadecimal(0.0)], "sums")
    return "sums are added from the left, each rounded once, and products are rounded before"


def _boundaries(scratch: Scratch) -> str:
    rows: list[str] = []
    expected: list[tuple[int, bool, bool]] = []
    write = target_of("snowflake").number
    for split in (0.1, 1.5, -1e-300, 12345.678):
        for value in (math.nextafter(split, -math.inf), split, math.nextafter(split, math.inf)):
            expected.append((len(rows), value <= split, value < split))
            x = given(scratch, value)
            rows.append(f"SELECT {len(rows)} AS i, {x} AS x, {write(split)} AS t")
    united = "\nUNION ALL ".join(rows)
    found = scratch.run(f"SELECT i, x <= t, x < t FROM (\n{united}\n) ORDER BY i")
    expect(found, expected, "comparisons one step around a split")
    return f"{len(found)} comparisons at, below and above a split"


def _nan(scratch: Scratch) -> str:
    target = target_of("snowflake")
    rows = numbered(["'NaN'::FLOAT", "1::FLOAT", "'inf'::FLOAT", "NULL::FLOAT"])
    test = (target.is_nan or "").format("x")
    found = scratch.run(f"SELECT i, COALESCE({test}, FALSE) FROM (\n{rows}\n) ORDER BY i")
    expect(found, [(0, True), (1, False), (2, False), (3, False)], "the test for NaN")
    comparisons = scratch.run(
        "SELECT n = n, n > x, n >= x, x < n, n < x FROM "
        "(SELECT 'NaN'::FLOAT AS n, 'inf'::FLOAT AS x)"
    )
    expect(comparisons, [(True, True, True, True, False)], "NaN against itself and infinity")
    return "NaN equals itself and is greater than infinity"


def _nan_order(scratch: Scratch) -> str:
    names = ("-inf", "1", "inf", "NaN")
    rows = numbered([f"'{name}'::FLOAT" for name in reversed(names)])
    found = [index for (index,) in scratch.run(f"SELECT i FROM (\n{rows}\n) ORDER BY x")]
    expect(found, [3, 2, 1, 0], "the order of NaN, inf, 1 and -inf")
    return "-inf, 1, inf, NaN"


def _nan_boundary(scratch: Scratch) -> str:
    function = bits_function(scratch)
    found = scratch.run(f"SELECT {function}('NaN'::FLOAT), {function}(NULL::FLOAT)")
    expect(found, [("missing", "missing")], "NaN and NULL as arguments of a function")
    back = scratch.value(f"SELECT {given(scratch, math.nan)} IS NULL")
    return f"both are missing; NaN that a function gives is {'NULL' if back else 'NaN'}"


def _within(
    name: str, values: Sequence[float], exact: Callable[[float], float], most: int
) -> Callable[[Scratch], str]:
    def try_it(scratch: Scratch) -> str:
        found = ask_bits(scratch, [f"{name}({given(scratch, value)})" for value in values])
        distances = [ulps(number(bits), exact(value))
                     for bits, value in zip(found, values, strict=True)]  # fmt: skip
        worst = max(distances)
        if worst > most:
            at = values[distances.index(worst)]
            raise Violation(f"{name}({at!r}) is {worst} ulp off, where {most} are relied on")
        return f"at most {worst} ulp off on {len(values)} numbers"

    return try_it


def _exact_functions(scratch: Scratch) -> str:
    expressions: list[str] = []
    expected: list[str] = []
    for value in (2.0, 0.1, 1e-300, 1e300, 3.9999999999999996):
        x = given(scratch, value)
        expressions += [f"SQRT({x})", f"FLOOR({x})", f"CEIL({x})"]
        expected += map(hexadecimal, (math.sqrt(value), _floor(value), _ceil(value)))
    expect(ask_bits(scratch, expressions), expected, "SQRT, FLOOR and CEIL")
    return f"{len(expected)} answers have all bits"


def _floor(value: float) -> float:
    return float(math.floor(value))


def _ceil(value: float) -> float:
    return float(math.ceil(value))


def _texts(scratch: Scratch) -> str:
    target = target_of("snowflake")
    pairs = (("naïve", "NAÏVE"), ("é", "e\u0301"), ("a", "a "), ("ß", "ss"), ("O'Hare\\", "OHare"))
    key, write = target.text_key or "{}", target.text_literal
    rows = [
        f"SELECT {index} AS i, {literal(first)} AS a, {write(first)} AS same, "
        f"{write(second)} AS other"
        for index, (first, second) in enumerate(pairs)
    ]
    united = "\nUNION ALL ".join(rows)
    left = key.format("a")
    found = scratch.run(f"SELECT i, {left} = same, {left} = other FROM (\n{united}\n) ORDER BY i")
    expect(found, [(i, True, False) for i in range(len(pairs))], "texts compared as bytes")
    return "texts are equal where their bytes are"


_UDF = "Use the functions of `foresql deploy`, which compute in Python, instead of compiled SQL."

NUMBERS = (
    Check(
        name="float-bits",
        claim="A FLOAT passes from SQL into a function and back with all its bits.",
        means="Nothing that foresql promises holds in this account. Send us the report.",
        attempt=_round_trip,
        after=("python-function",),
    ),
    Check(
        name="literals",
        claim="A number written as a quotient of whole numbers has the bits that are meant.",
        means=f"Compiled SQL splits at other numbers than the model. {_UDF}",
        attempt=_literals,
        after=("float-bits",),
    ),
    Check(
        name="text-literals",
        claim="A text is read as the nearest FLOAT.",
        means="Golden rows may be refused as a deployment is checked, though the model is sound: "
        "the account reads their decimal digits differently. No answer is wrong. "
        "Send us the report.",
        attempt=_text_literals,
        after=("float-bits",),
    ),
    Check(
        name="integers",
        claim="Integers beyond 2**53 become the nearest FLOAT, ties to even.",
        means="Integers beyond 2**53 may take another branch than in training. Keep such columns, "
        "which are mostly keys, out of the model, or make them texts.",
        attempt=_integers,
        after=("float-bits",),
    ),
    Check(
        name="denormals",
        claim="Numbers below 2.2e-308 are stored, computed and compared as they are.",
        means="Numbers that small may become 0. Compiled SQL refuses splits there; the functions "
        "see what SQL hands them.",
        attempt=_denormals,
        after=("float-bits",),
    ),
    Check(
        name="overflow",
        claim="An overflow gives infinity, or ends the query; never another number.",
        means=f"Compiled SQL may give a wrong number at an overflow. {_UDF}",
        attempt=_overflow,
        after=("float-bits",),
    ),
    Check(
        name="addition",
        claim="Sums are added from the left, and each operation is rounded once.",
        means=f"Raw scores of compiled SQL may differ in the last bits. {_UDF}",
        attempt=_addition,
        after=("float-bits",),
    ),
    Check(
        name="boundaries",
        claim="Comparisons tell neighbouring FLOATs apart.",
        means=f"Compiled SQL takes wrong leaves at splits. {_UDF}",
        attempt=_boundaries,
        after=("float-bits",),
    ),
    Check(
        name="nan-comparisons",
        claim="NaN equals itself, is greater than infinity, and compiled SQL finds it.",
        means=f"Compiled SQL takes wrong leaves for NaN. Replace NaN by NULL in the table. {_UDF}",
        attempt=_nan,
    ),
    Check(
        name="nan-order",
        claim="ORDER BY puts NaN after infinity.",
        means="Queries that sort predictions put NaN elsewhere. Nothing of foresql rests on it.",
        attempt=_nan_order,
    ),
    Check(
        name="nan-arguments",
        claim="NaN and NULL are both missing to a function.",
        means="A function takes NaN for a number. Replace NaN by NULL in the table.",
        attempt=_nan_boundary,
        after=("float-bits",),
    ),
    Check(
        name="exp",
        claim=f"EXP in SQL is within {LINK_ULPS} ulp.",
        means=f"Probabilities of compiled SQL differ by more than is said. {_UDF}",
        attempt=_within("EXP", _EXPONENTS, math.exp, LINK_ULPS),
        after=("float-bits",),
    ),
    Check(
        name="ln",
        claim=f"LN in SQL is within {LINK_ULPS} ulp.",
        means=f"Answers of compiled SQL behind a logarithm differ by more than is said. {_UDF}",
        attempt=_within("LN", _POSITIVE, math.log, LINK_ULPS),
        after=("float-bits",),
    ),
    Check(
        name="exact-functions",
        claim="SQRT, FLOOR and CEIL in SQL have all bits.",
        means=f"Answers of compiled SQL behind them differ. {_UDF}",
        attempt=_exact_functions,
        after=("float-bits",),
    ),
    Check(
        name="text-bytes",
        claim="TO_BINARY(…, 'UTF-8') compares texts byte by byte.",
        means=f"Compiled SQL takes one category for another. {_UDF}",
        attempt=_texts,
    ),
)
