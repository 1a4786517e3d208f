"""What a target is: the differences between engines, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..ir import ColumnType
    from ..ir.steps import Function


Functions: TypeAlias = "Mapping[Function, str]"

_SMALLEST_NORMAL = 2.0**-1022


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
    """

    bytes: int
    terms: int
    depth: int
    cases: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Statements around a query, with places for ``{name}`` and ``{query}``; None: no such form.

    Attributes
    ----------
    view
        A view of the query.
    macro
        What stores the query for any table, which ``macro_source`` names inside.
    function
        A function of one row, which gives a table; it has places for ``{parameters}`` and
        ``{results}`` too, each a list of names with types.
    argument
        How the query reads a parameter, by ``{name}`` or ``{index}``.
    """

    view: str | None = "CREATE OR REPLACE VIEW {name} AS\n{query}"
    macro: str | None = None
    macro_source: str = ""
    function: str | None = None
    argument: str = "{name}"


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
        Whether numbers below 2.2e-308 are kept.
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
        Roots, rounding and absolute values are exact.
    refusal
        An expression that is 0, or ends the query with ``{message}`` where ``{condition}`` holds;
        ``{value}`` is a column, so that no engine computes it before it reads rows. None where a
        query cannot be ended.
    message
        How a message becomes a literal.
    stage
        How a stage is written: ``{name}`` and ``{query}``. It must be computed once.
    types
        The types of a function's parameters and results, by the signature's.
    limits
        What a statement may be.
    forms
        The statements in which the query can stand.
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
    has_denormals: bool = True
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
    refusal: str | None
    message: Callable[[str], str] = doubled
    stage: str = "{name} AS (\n{query}\n)"
    types: Mapping[ColumnType, str] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits
    forms: Forms = field(default_factory=Forms)

    def quoted(self, identifier: str) -> str:
        """Quote an identifier."""
        opening, closing = self.quotes
        return opening + identifier.replace(closing, closing * 2) + closing

    def folded(self, identifier: str) -> str:
        """Give an identifier as the engine stores it when it is written without quotes."""
        folds: Mapping[str | None, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower}
        return folds.get(self.folds, str)(identifier)

    def literal(self, value: float) -> str | None:
        """Write a number other than NaN; None where the engine cannot hold it."""
        if math.isinf(value):
            return self.infinity if value > 0 else self.minus_infinity
        if not self.has_denormals and 0 < abs(value) < _SMALLEST_NORMAL:
            return None
        return self.number(value)
