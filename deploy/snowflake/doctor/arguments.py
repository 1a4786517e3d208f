"""Checks of what a function is handed, and what of its answer arrives: types, names, objects."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ....udfs.snowflake.functions import MOST_ARGUMENTS
from ....udfs.snowflake.names import literal
from .bits import bits_function, given, hexadecimal, in_order, number, numbered
from .check import Check, Violation, expect

if TYPE_CHECKING:
    from .scratch import Scratch

ARGUMENTS = MOST_ARGUMENTS
_MOMENT = "2013-01-01 05:15:00.000001"
_DOUBLES = {"a": 0.1, "b": 1 / 3, "c": 1e-300, "d": -1.7976931348623157e308, "e": 2.0**53 + 2,
            "f": 3.0, "g": 123456789.123456789}  # fmt: skip
KINDS: dict[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {
    "FLOAT": (("1.5::FLOAT", ("float",), hexadecimal(1.5)),),
    "NUMBER(38, 0)": (
        ("7::NUMBER(38, 0)", ("int", "Decimal"), "7"),
        ("9007199254740993::NUMBER(38, 0)", ("int", "Decimal"), "9007199254740993"),
    ),
    "BOOLEAN": (("TRUE", ("bool",), "True"), ("FALSE", ("bool",), "False")),
    "VARCHAR": (("'ü''\\\\'", ("str",), "ü'\\"), ("''", ("str",), "")),
    "TIMESTAMP_NTZ": ((f"'{_MOMENT}'::TIMESTAMP_NTZ", ("Timestamp", "datetime"), _MOMENT),),
}
"""What is asked for each type: a value in SQL, the types that it may arrive as, and its text."""


def _kinds(sql_type: str) -> str:
    return f"KINDS_{sql_type.partition('(')[0]}"


def _dtypes(scratch: Scratch) -> str:
    found: list[str] = []
    for sql_type, values in KINDS.items():
        function = scratch.python("kinds", f"x {sql_type}", "VARCHAR", name=_kinds(sql_type))
        empty = f"NULL::{sql_type}"
        mixed = _arrived(scratch, function, [*(value for value, _, _ in values), empty])
        for (_, types, text), (_, kind, value) in zip(values, mixed[:-1], strict=True):
            if kind not in types or value != text:
                raise Violation(f"{sql_type} {text!r} arrives as {kind} {value!r}")
        nothing = _arrived(scratch, function, [empty, empty])
        for _, kind, value in (mixed[-1], *nothing):
            if value is not None:
                raise Violation(f"{sql_type} NULL arrives as {kind} {value!r}")
        found.append(f"{sql_type} as {mixed[0][0]}, all NULL as {nothing[0][0]}")
    return "; ".join(found)


def _arrived(scratch: Scratch, function: str, values: list[str]) -> list[list[Any]]:
    rows = scratch.run(f"SELECT i, {function}(x) FROM (\n{numbered(values)}\n) ORDER BY i")
    return [json.loads(text) for text in in_order(rows, len(values))]


def _float_dtype(scratch: Scratch) -> str:
    function = scratch.python("kinds", "x FLOAT", "VARCHAR", name=_kinds("FLOAT"))
    for values in (["1::FLOAT", "NULL::FLOAT"], ["NULL::FLOAT", "NULL::FLOAT"], ["'NaN'::FLOAT"]):
        digits = [hexadecimal(1.0) if value == "1::FLOAT" else None for value in values]
        expected = [["float64", "float", each] for each in digits]
        expect(_arrived(scratch, function, values), expected, "a FLOAT column")
    return "float64, NULL as NaN, also where all are NULL"


def _object_argument(scratch: Scratch) -> str:
    function = scratch.python("packed", "o OBJECT", "VARCHAR")
    fields = [f"{literal(key)}, {given(scratch, value)}" for key, value in _DOUBLES.items()]
    fields += ["'none', NULL", "'text', 'ü''\\\\'", "'yes', TRUE", "'nan', 'NaN'::FLOAT"]
    found: dict[str, list[Any]] = json.loads(
        scratch.value(f"SELECT {function}(OBJECT_CONSTRUCT_KEEP_NULL({', '.join(fields)}))")
    )
    for key, value in _DOUBLES.items():
        kind, text = found[key]
        arrived = number(text) if kind == "float" else float(text)
        expect(hexadecimal(arrived), hexadecimal(value), f"{value!r} in an OBJECT, as {kind}")
    expect(found["none"][1], None, "NULL in an OBJECT")
    expect(found["nan"][1], None, "NaN in an OBJECT")
    expect(found["text"], ["str", "ü'\\"], "a text in an OBJECT")
    expect(found["yes"], ["bool", "True"], "a BOOLEAN in an OBJECT")
    return f"{len(_DOUBLES)} numbers kept all their bits; NULL and NaN are missing"


def _object_result(scratch: Scratch) -> str:
    function = scratch.python("unpacked", "x FLOAT", "OBJECT")
    values = list(_DOUBLES.values())
    rows = numbered([f"{function}({given(scratch, value)})" for value in values])
    bits = bits_function(scratch)
    found = scratch.run(
        f"SELECT i, {bits}(x:number::FLOAT), x:missing::FLOAT, x:text::VARCHAR, "
        f"{bits}(x:infinite::FLOAT), {bits}(x:nan::FLOAT) FROM (\n{rows}\n) ORDER BY i"
    )
    others = (None, "ü'\\", hexadecimal(math.inf), "missing")
    expected = [(i, hexadecimal(value), *others) for i, value in enumerate(values)]
    expect(found, expected, "fields of an OBJECT that a function gives")
    return f"{len(values)} numbers kept all their bits; the texts inf and NaN are read as FLOAT"


def _many_arguments(scratch: Scratch) -> str:
    arguments = ", ".join(f'"A_{index}" FLOAT' for index in range(ARGUMENTS))
    function = scratch.python("width", arguments, "FLOAT", name="WIDE")
    found = scratch.value(f"SELECT {function}({', '.join(['1'] * ARGUMENTS)})")
    expect(found, 1000.0 * ARGUMENTS + ARGUMENTS, f"a function of {ARGUMENTS} arguments")
    return f"{ARGUMENTS} arguments"


def _named_arguments(scratch: Scratch) -> str:
    arguments = '"ORIGIN" FLOAT, "SELECT" FLOAT, "mixedCase" FLOAT'
    function = scratch.python("difference", arguments, "FLOAT", name="NAMED")
    found = scratch.value(f'SELECT {function}("mixedCase" => 4, origin => 1, "SELECT" => 2)')
    expect(found, 124.0, "named arguments in another order")
    return "by name, in any order, reserved words in quotes"


def _quoted_arguments(scratch: Scratch) -> str:
    function = scratch.python("difference", '"a b" FLOAT, "c.ü" FLOAT', "FLOAT", name="QUOTED")
    found = scratch.value(f'SELECT {function}("c.ü" => 2, "a b" => 1)')
    expect(found, 12.0, "arguments whose names need quotes")
    return "spaces, dots and umlauts, in quotes"


_PYTHON = ("python-function",)
_BITS = ("float-bits",)

ARGUMENT_CHECKS = (
    Check(
        name="float-dtype",
        claim="A FLOAT arrives as float64, and NULL as NaN, also where all rows are NULL.",
        means="The handler reads other dtypes too, yet more slowly. Send us the report.",
        attempt=_float_dtype,
        after=_PYTHON,
    ),
    Check(
        name="dtypes",
        claim="Integers, booleans, texts and times arrive as values of Python's or pandas' own "
        "types, and NULL as missing, also where all rows are NULL.",
        means="A function may end with an error for columns of that type. Send us the report.",
        attempt=_dtypes,
        after=_PYTHON,
    ),
    Check(
        name="object-arguments",
        claim="An OBJECT hands a function each FLOAT with all bits, and NULL and NaN as missing.",
        means="Models of more than 500 columns may score other numbers. Do not deploy those.",
        attempt=_object_argument,
        after=_BITS,
    ),
    Check(
        name="object-results",
        claim="An OBJECT that a function gives holds each number with all bits; the texts inf and "
        "NaN in it are read as FLOAT.",
        means="Probabilities by class and contributions may be rounded. Labels are not.",
        attempt=_object_result,
        after=_BITS,
    ),
    Check(
        name="arguments",
        claim=f"A function has up to {ARGUMENTS} arguments.",
        means="Models of that many columns cannot be deployed. Send us the report.",
        attempt=_many_arguments,
        after=_PYTHON,
    ),
    Check(
        name="named-arguments",
        claim="Arguments go by name, in any order.",
        means="Write arguments by position, in the order of `foresql show`.",
        attempt=_named_arguments,
        after=_PYTHON,
    ),
    Check(
        name="quoted-arguments",
        claim="Arguments may have any name, in quotes.",
        means="Models with such columns cannot be deployed as functions. Rename the columns, and "
        "fit again.",
        attempt=_quoted_arguments,
        after=_PYTHON,
    ),
)
