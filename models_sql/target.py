"""What a target is: the differences between engines, as data."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ..ir.steps import Function
from .storage import Storage  # noqa: TC001 - dataclasses read it

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..ir import ColumnType
    from .walks import Walk


Functions: TypeAlias = "Mapping[Function, str]"

TRIGONOMETRY: Functions = MappingProxyType(
    {
        Function.NUMPY_SIN: "sin({})",
        Function.NUMPY_COS: "cos({})",
        Function.NUMPY_TAN: "tan({})",
        Function.NUMPY_ARCSIN: "asin({})",
        Function.NUMPY_ARCCOS: "acos({})",
        Function.NUMPY_ARCTAN: "atan({})",
    }
)
"""What most engines take from the C library, or from Java's."""

_SMALLEST_NORMAL = 2.0**-1022
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
"""A name that needs no quotes, unless it is a reserved word."""


def doubled(text: str) -> str:
    """Write a text literal as the SQL standard does."""
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str) -> str:
    """Write a text literal for engines that read a backslash in it as an escape."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def decimal(value: float) -> str:
    """Write a finite number with an exponent, in the fewest digits that give it back."""
    digits = repr(value)
    return digits if "e" in digits else digits.removesuffix(".0") + "e0"


def quotient(value: float, first: str, other: str = "{}", places: int = 53) -> str:
    """Write a finite number as a quotient, or product, of whole ones.

    Each is read exactly by any reader of numbers, and divisions by powers of 2 are exact, so this
    needs no trust in how an engine rounds decimals. ``first`` and ``other`` write a whole number.
    """
    if value.is_integer() and abs(value) < 2**53:
        return first.format(int(value))
    mantissa, exponent = math.frexp(abs(value))
    whole, exponent = int(mantissa * 2**53), exponent - 53
    shared = (whole & -whole).bit_length() - 1
    whole, exponent = whole >> shared, exponent + shared
    written = [first.format(whole)]
    while exponent:
        part = min(abs(exponent), places)
        written.append(f"{'/' if exponent < 0 else '*'}{other.format(2**part)}")
        exponent += part if exponent < 0 else -part
    sign = "-" if value < 0 else ""
    return f"({sign}{''.join(written)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an engine takes in one statement, at its default settings.

    Attributes
    ----------
    bytes
        The longest statement.
    terms
        The most terms of a sum: many engines nest them too, each in the sum of those before.
    depth
        How deep calls, parentheses and CASEs are nested.
    cases
        The most CASEs that are nested.
    columns
        The most columns of one SELECT.
    roundings
        The most roundings to float32, each of the result of the one before, before planning takes
        exponential time; None where it never does.
    """

    bytes: int
    terms: int
    depth: int
    cases: int
    columns: int
    roundings: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Statements around a query, with places for ``{name}`` and ``{query}``; None: no such form.

    Attributes
    ----------
    view
        A view of the query.
    drop_view
        What drops a view if it is there, where ``view`` does not replace it.
    macro
        What stores the query for any table, which ``macro_source`` names inside.
    function
        A function of one row, which gives a table, or a struct of the answers. It has places for
        ``{parameters}`` and ``{results}`` too, each a list of names with types; or for ``{row}``,
        a parameter that is a row, and ``{fields}``, the answers of ``answers``.
    argument
        How the query reads a parameter, by ``{name}`` or ``{index}``, or from ``{row}`` by
        ``{key}``.
    """

    view: str | None = "CREATE OR REPLACE VIEW {name} AS\n{query}"
    drop_view: str = ""
    macro: str | None = None
    macro_source: str = ""
    function: str | None = None
    argument: str = "{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Lists of float64 in expressions, for steps over many stored points.

    Attributes
    ----------
    make, numbers
        A list of expressions, and one of constants.
    each
        The list of ``{1}`` for each number ``d`` of the list ``{0}``.
    weighted
        The sum of the products of two lists, added in whatever order.
    smallest
        The ``{1}`` smallest numbers of the list ``{0}``, ascending.
    head, up_to
        The first ``{1}`` numbers of the list ``{0}``, and those of at most ``{1}``.
    at
        The number at place ``{1}`` of the list ``{0}``, counted from 1.
    vector, point
        A row as an array of a fixed length, and a constant one; None where there is none.
    distance, product
        The Euclidean distance and the product of two arrays, added in whatever order.
    """

    make: str
    numbers: Callable[[Sequence[float]], str]
    each: str
    weighted: str
    smallest: str
    head: str
    up_to: str
    at: str
    vector: str | None = None
    point: Callable[[Sequence[float]], str] | None = None
    distance: str = ""
    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantLists:
    """How an engine keeps constants in lists, and reads bits; for forests that are looked up.

    ``at`` gives NULL beyond either end. Rows find their place in a table of lists by a join with
    a whole number, which must cost little.

    Attributes
    ----------
    integers, words, wide_words, doubles
        A list of constants from ``{}``, texts between commas: of 32, 64 and 128 bits, and float64.
    at
        The element at a place, which counts from 1.
    repeated
        The list in which each element of ``{1}``, a list of words ``{0}``, stands ``{2}`` times.
    numbers, number
        A table with a column ``n`` of the numbers from 1 to ``{}``, and how one is read.
    digit
        Of a number ``{0}`` from 1 its place, from 1, in runs of ``{1}`` that repeat after ``{2}``.
    round
        A double that fits, rounded to a whole number, half to even.
    low_bits
        The number of bits up to and with the lowest one that is set, of a word that is not 0.
    right
        A word without its lowest ``{1}`` bits.
    """

    integers: str
    words: str
    wide_words: str
    doubles: str
    at: str
    repeated: str
    numbers: str
    number: str
    digit: str
    round: str
    low_bits: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An engine's SQL. ``{}`` in a template is an expression.

    Attributes
    ----------
    name, title
        How users write it, and how it is called.
    dialect
        sqlglot's name for its SQL.
    evidence
        What the claims of this file rest on: the tests that run it, or documentation.
    quotes
        What stands around an identifier; the second is doubled inside.
    folds
        How an identifier without quotes is stored: ``upper``, ``lower``, or None where case does
        not count.
    number
        A finite float64 as a literal that reads back to the same bits.
    infinity, minus_infinity
        Literals; None where no column can hold them.
    is_nan
        A test for NaN; None where no column can hold it.
    has_denormals
        Whether numbers below 2.2e-308 are kept; None where that is not known, and a model that
        names one is refused.
    divides_by_zero
        Whether a division by zero gives infinity or NaN, as IEEE 754 has it.
    to_double
        A cast of a number column, which rounds integers as IEEE 754 does.
    to_float32
        A cast that rounds to float32 and back; None where there is no such type.
    truth_to_double
        A boolean column as 1 or 0.
    text_key, text_literal
        What makes a text column comparable byte by byte, and texts to compare it with.
    integer_key
        A check or cast of an integer column that is compared.
    truth_key, truths
        The same for booleans, with false and true.
    time_literal
        A timestamp without a time zone, from ``{}`` in ISO form; None where keys cannot be times.
    greatest
        The largest of several numbers, none of them missing.
    functions
        Functions within 2 ulp of the correct answer, for all arguments that the steps give them.
        Roots, rounding and absolute values are exact. Other functions are made of these.
    remainder
        C's ``fmod`` of two numbers, the second not 0, which is exact; None where there is none.
    power
        A power within 2 ulp, of numbers from 0 on, and of any to a whole power.
    lists
        Lists in expressions; None where there are none.
    refusal
        An expression that is 0, or ends the query with ``{message}`` where ``{condition}`` holds;
        ``{value}`` is a column, so that no engine computes it before it reads rows. None where a
        query cannot be ended.
    message
        How a message becomes a literal.
    stage
        How a stage is written: ``{name}`` and ``{query}``. It must be computed once.
    relation
        The same for a query over constants, which is computed before the rows are read.
    constant_lists
        Lists of constants and bits of words; None where forests are not looked up in them.
    types
        The types of a function's parameters and results, by the signature's.
    limits
        What a statement may be.
    nests_with
        Whether a query that begins with WITH can stand inside of another one.
    object_of
        One value of several with names, from texts and numbers in turn; None where there is none.
    walk
        How rows walk trees that stand in tables; None where there is no way that is exact.
    forms
        The statements in which the query can stand.
    storage
        How tables of a model are kept.
    """

    name: str
    title: str
    dialect: str
    evidence: str
    quotes: tuple[str, str] = ('"', '"')
    folds: str | None = None
    number: Callable[[float], str] = decimal
    infinity: str | None
    minus_infinity: str | None
    is_nan: str | None
    has_denormals: bool | None = True
    divides_by_zero: bool
    to_double: str = "CAST({} AS DOUBLE)"
    to_float32: str | None = None
    truth_to_double: str = "CASE WHEN {0} THEN 1e0 WHEN NOT {0} THEN 0e0 END"
    text_key: str = "{}"
    text_literal: Callable[[str], str] = doubled
    integer_key: str = "{}"
    truth_key: str = "{}"
    truths: tuple[str, str] = ("FALSE", "TRUE")
    time_literal: str | None = None
    greatest: str = "GREATEST({})"
    functions: Functions
    remainder: str | None = None
    power: str | None = None
    lists: Lists | None = None
    refusal: str | None
    message: Callable[[str], str] = doubled
    stage: str = "{name} AS (\n{query}\n)"
    relation: str = "{name} AS MATERIALIZED (\n{query}\n)"
    constant_lists: ConstantLists | None = None
    types: Mapping[ColumnType, str] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits
    nests_with: bool = True
    object_of: str | None = None
    walk: Walk | None = None
    forms: Forms = field(default_factory=Forms)
    storage: Storage

    def quoted(self, identifier: str) -> str:
        """Quote an identifier."""
        opening, closing = self.quotes
        return opening + identifier.replace(closing, closing * 2) + closing

    def folded(self, identifier: str) -> str:
        """Give an identifier as the engine stores it when it is written without quotes.

        One that cannot be written so stays as it is.
        """
        if not PLAIN_NAME.fullmatch(identifier):
            return identifier
        folds: Mapping[str | None, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower}
        return folds.get(self.folds, str)(identifier)

    def literal(self, value: float) -> str | None:
        """Write a number other than NaN; None where the engine cannot hold it."""
        if math.isinf(value):
            return self.infinity if value > 0 else self.minus_infinity
        if not self.has_denormals and 0 < abs(value) < _SMALLEST_NORMAL:
            return None
        return self.number(value)
