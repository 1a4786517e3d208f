"""What a condition says of one column, for the rows that pass it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from ...models_sql.pruning import Domain
from ...udfs.duckdb.macros import literal, quote
from .syntax import column_path, conjuncts

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scopes import Scope, Source
    from .syntax import Node

_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_FLOAT = {"FLOAT", "DOUBLE"}
_MIRRORED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
}
_SIGNS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_LESSTHANOREQUALTO": "<=",
}
_EXACT_IN_FLOAT = 2**24
_EXACT_IN_DOUBLE = 2**53
NOTHING = Domain(low=math.inf, high=-math.inf, missing=False, keys=frozenset())


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """What a condition says of a column: its domain, and the condition for any name of it."""

    source: Source
    column: str
    domain: Domain
    condition: Callable[[str], str]


def is_integer(kind: str | None) -> bool:
    """Whether a type is one of integers."""
    return kind is not None and _INTEGER.fullmatch(kind) is not None


def is_number(kind: str | None) -> bool:
    """Whether a type is one of numbers."""
    return kind is not None and (is_integer(kind) or kind in _FLOAT or kind.startswith("DECIMAL("))


def is_text(kind: str | None) -> bool:
    """Whether a type is one of texts that are equal only if they are the same."""
    return kind is not None and (kind == "VARCHAR" or kind.startswith("ENUM("))


def facts_of(scope: Scope) -> list[Fact]:
    """Read what surely holds for all rows that pass a SELECT's WHERE and its inner joins."""
    conditions = [*conjuncts(scope.node["where_clause"])]
    conditions += [part for condition in scope.on for part in conjuncts(condition)]
    return [fact for each in conditions if (fact := read_fact(each, scope)) is not None]


def read_fact(  # noqa: PLR0911 - one for each kind of condition
    condition: Node, scope: Scope
) -> Fact | None:
    """Read a condition on one column; None for what is not understood."""
    match condition["type"]:
        case "CONJUNCTION_OR":
            return _combined(condition, scope, united, " OR ")
        case "CONJUNCTION_AND":
            return _combined(condition, scope, intersected, " AND ")
        case "COMPARE_BETWEEN":
            return _between(condition, scope)
        case "COMPARE_IN":
            return _in(condition, scope)
        case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL":
            return _null(condition, scope)
        case "OPERATOR_NOT":
            return _truth(condition["children"][0], scope, is_true=False)
        case "COLUMN_REF":
            return _truth(condition, scope, is_true=True)
        case kind if kind in _SIGNS:
            return _comparison(condition, scope)
        case _:
            return None


def intersected(first: Domain, second: Domain) -> Domain:
    """Give what both say."""
    keys = first.keys if second.keys is None else second.keys
    if first.keys is not None and second.keys is not None:
        keys = first.keys & second.keys
    return Domain(
        low=max(first.low, second.low),
        high=min(first.high, second.high),
        missing=first.missing and second.missing,
        keys=keys,
    )


def united(first: Domain, second: Domain) -> Domain:
    """Give what holds where one of them does."""
    both = first.keys is not None and second.keys is not None
    return Domain(
        low=min(first.low, second.low),
        high=max(first.high, second.high),
        missing=first.missing or second.missing,
        keys=(first.keys or frozenset()) | (second.keys or frozenset()) if both else None,
    )


def _combined(
    condition: Node, scope: Scope, combine: Callable[[Domain, Domain], Domain], word: str
) -> Fact | None:
    facts = [read_fact(child, scope) for child in condition["children"]]
    known = [fact for fact in facts if fact is not None]
    columns = {(id(fact.source), fact.column) for fact in known}
    if len(known) < len(facts) or len(columns) != 1:
        return None
    return Fact(
        known[0].source,
        known[0].column,
        reduce(combine, [fact.domain for fact in known]),
        lambda name: "(" + word.join(fact.condition(name) for fact in known) + ")",
    )


def _comparison(condition: Node, scope: Scope) -> Fact | None:
    left, right, sign = condition["left"], condition["right"], condition["type"]
    if column_path(left) is None:
        left, right, sign = right, left, _MIRRORED[sign]
    found = _column(left, scope)
    if found is None:
        return None
    source, name, kind = found
    value = _value(right, kind)
    domain = None if value is None else _compared(sign, value, kind)
    if domain is None:
        return None
    written = _written(right)
    return Fact(source, name, domain, lambda column: f"{column} {_SIGNS[sign]} {written}")


def _between(condition: Node, scope: Scope) -> Fact | None:
    pair = [
        {"type": sign, "left": condition["input"], "right": condition[bound]}
        for sign, bound in (
            ("COMPARE_GREATERTHANOREQUALTO", "lower"),
            ("COMPARE_LESSTHANOREQUALTO", "upper"),
        )
    ]
    if column_path(condition["input"]) is None:
        return None
    fact = _combined({"children": pair}, scope, intersected, " AND ")
    # DuckDB casts all three to one type, so they stay together.
    low, high = (_written(condition[bound]) for bound in ("lower", "upper"))
    return fact and replace(fact, condition=lambda name: f"{name} BETWEEN {low} AND {high}")


def _in(condition: Node, scope: Scope) -> Fact | None:
    column, *values = condition["children"]
    if column_path(column) is None:
        return None
    each = [{"type": "COMPARE_EQUAL", "left": column, "right": value} for value in values]
    fact = _combined({"children": each}, scope, united, " OR ") if each else None
    written = ", ".join(map(_written, values))
    return fact and replace(fact, condition=lambda name: f"{name} IN ({written})")


def _null(condition: Node, scope: Scope) -> Fact | None:
    found = _column(condition["children"][0], scope)
    if found is None:
        return None
    source, name, kind = found
    if condition["type"] == "OPERATOR_IS_NULL":
        only = Domain(low=math.inf, high=-math.inf, missing=True, keys=frozenset())
        return Fact(source, name, only, lambda column: f"{column} IS NULL")
    domain = Domain(missing=_may_be_nan(kind))
    return Fact(source, name, domain, lambda column: f"{column} IS NOT NULL")


def _truth(condition: Node, scope: Scope, *, is_true: bool) -> Fact | None:
    if condition["type"] == "OPERATOR_IS_NULL" and not is_true:
        return _null(condition | {"type": "OPERATOR_IS_NOT_NULL"}, scope)
    found = _column(condition, scope)
    if found is None or found[2] != "BOOLEAN":
        return None
    source, name, _ = found
    word = "" if is_true else "NOT "
    return Fact(source, name, _of_truth(is_true=is_true), lambda column: f"{word}{column}")


def _of_truth(*, is_true: bool) -> Domain:
    number = float(is_true)
    return Domain(low=number, high=number, missing=False, keys=frozenset([is_true]))


def _column(node: Node, scope: Scope) -> tuple[Source, str, str] | None:
    """Find a column and its type."""
    path = column_path(node)
    found = scope.resolve(path) if path else None
    if found is None or found[0].columns is None:
        return None
    source, name = found
    kind = found[0].columns[name][1]
    return None if kind is None else (source, name, kind)


def _value(node: Node, kind: str) -> Decimal | str | bool | None:
    """Read a literal that means the same beside a column of a type as it does alone."""
    if node.get("class") != "CONSTANT" or "literal" not in node:
        return None
    found, text = node["literal"]["kind"], node["literal"].get("text", "")
    if found in ("INTEGER", "NUMERIC") and is_number(kind):
        try:
            number = Decimal(text)
        except InvalidOperation:
            return None
        return number if abs(float(number)) < math.inf else None
    if found == "STRING" and is_text(kind):
        return text
    if found == "BOOLEAN" and kind == "BOOLEAN":
        return text == "true"
    return None


def _written(node: Node) -> str:
    """Write a literal as it stands in the query, for another way may have another type."""
    constant = node.get("literal") or {"kind": "", "text": ""}
    text = constant["text"]
    return literal(text) if constant["kind"] == "STRING" else text


def _compared(sign: str, value: Decimal | str | bool, kind: str) -> Domain | None:
    if isinstance(value, bool):
        return _of_truth(is_true=value) if sign == "COMPARE_EQUAL" else None
    if isinstance(value, str):
        is_equal = sign == "COMPARE_EQUAL"
        return Domain(missing=False, keys=frozenset([value])) if is_equal else None
    low, high = _around(value, kind)
    if is_integer(kind) and value == value.to_integral_value():
        # Between whole numbers there is none.
        low = _around(value + 1, kind)[0] if sign == "COMPARE_GREATERTHAN" else low
        high = _around(value - 1, kind)[1] if sign == "COMPARE_LESSTHAN" else high
    match sign:
        case "COMPARE_EQUAL":
            return Domain(low=low, high=high, missing=False, keys=_number_key(value, kind))
        case "COMPARE_GREATERTHAN" | "COMPARE_GREATERTHANOREQUALTO":
            # NaN is DuckDB's greatest number.
            return Domain(low=low, missing=_may_be_nan(kind))
        case _:
            return Domain(high=high, missing=False)


def _number_key(value: Decimal, kind: str) -> frozenset[int] | None:
    """Give the one integer that a column of integers can equal."""
    is_exact = value == value.to_integral_value() and abs(value) <= _EXACT_IN_DOUBLE
    if not is_integer(kind) or not is_exact:
        return None
    return frozenset([int(value)])


def _around(value: Decimal, kind: str) -> tuple[float, float]:
    """Give bounds of the float64s for which a comparison of a type may take a literal.

    DuckDB casts one side to the other's type: whole numbers up to 2^24 are exact in all of them,
    and any other rounds to a neighbour at most.
    """
    number = float(value)
    if value == value.to_integral_value() and abs(value) <= _EXACT_IN_FLOAT:
        return number, number
    if kind == "FLOAT":
        with np.errstate(over="ignore"):
            single = np.float32(number)
            low, high = (np.nextafter(single, np.float32(side)) for side in (-np.inf, np.inf))
        return min(float(low), number), max(float(high), number)
    low = math.nextafter(math.nextafter(number, -math.inf), -math.inf)
    return low, math.nextafter(math.nextafter(number, math.inf), math.inf)


def _may_be_nan(kind: str) -> bool:
    return kind in _FLOAT


def column_of(source: Source, column: str) -> str:
    """Write a source's column."""
    name = source.columns[column][0] if source.columns else column
    return f"{quote(source.alias)}.{quote(name)}"
