"""Expressions of a scoring query, carried from DuckDB's SQL into Snowflake's, or refused by name.

Only what gives one row's value from that row alone, and the same value in both, is carried.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from ...errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    Carry = Callable[[exp.Expr], exp.Expr]

IN_THE_TABLE = (
    "compute it in a column of the table, or of a view that takes the table's place (--view), and "
    "name that column here."
)
_SAME = (
    exp.Paren,
    exp.And,
    exp.Or,
    exp.Not,
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.Is,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.Between,
    exp.In,
    exp.Like,
    exp.Add,
    exp.Sub,
    exp.Neg,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Nullif,
    exp.Abs,
    exp.Floor,
    exp.Ceil,
    exp.Null,
    exp.Boolean,
)
_OF_MANY_ROWS: tuple[tuple[type, str, str], ...] = (
    (exp.Window, "it reads other rows, and a stream has the changed ones alone", IN_THE_TABLE),
    (exp.AggFunc, "it reads many rows, and a stream has the changed ones alone", IN_THE_TABLE),
    (exp.Query, "a change in what it reads would not rescore a row", IN_THE_TABLE),
    (exp.Subquery, "a change in what it reads would not rescore a row", IN_THE_TABLE),
    (exp.Exists, "a change in what it reads would not rescore a row", IN_THE_TABLE),
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?")
_TIMESTAMPS = (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ)
_EXACT_DIGITS, _EXACT_POWER = 15, 22
_INTEGER_DIGITS = 18


def carry(node: exp.Expr, inside: Carry) -> exp.Expr:
    """Write one part of a query for Snowflake; ``inside`` carries the parts that it has.

    Raises
    ------
    UnsupportedModelError
        If what it gives may differ between the two, or depends on other rows.
    """
    match node:
        case exp.Literal():
            return node.copy() if node.is_string else _number(node)
        case exp.Cast():
            return _cast(node, inside)
        case exp.Div():
            return _division(node, inside)
        case exp.Mul():
            return _product(node, inside)
        case exp.Is() if isinstance(node.expression, exp.Boolean):
            return _truth(node, inside)
        case _ if type(node) in _SAME:
            return _same(node, inside)
        case _:
            raise _refusal(node)


def _same(node: exp.Expr, inside: Carry) -> exp.Expr:
    def each(value: Any) -> Any:
        if isinstance(value, list):
            return [each(item) for item in value]
        return inside(value) if hasattr(value, "args") else value

    return type(node)(**{key: each(value) for key, value in node.args.items()})


def _number(node: exp.Literal) -> exp.Expr:
    """Keep a number that every correct division by a power of ten reads to the same float64."""
    mantissa, _, power = str(node.this).lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = len((whole + fraction).strip("0"))
    if not fraction and not power and len(whole) <= _INTEGER_DIGITS:
        return node.copy()
    if digits > _EXACT_DIGITS or abs(int(power or 0)) > _EXACT_POWER:
        raise UnsupportedModelError(
            f"the number {node.this}",
            "it has more digits than are certain to be read alike by both engines.",
            f"write at most {_EXACT_DIGITS} digits.",
        )
    return _to_float(node.copy()) if power else node.copy()


def _cast(node: exp.Cast, inside: Carry) -> exp.Expr:
    to, value = node.to, node.this
    if to.this is exp.DataType.Type.DOUBLE and type(node) is exp.Cast:
        return _to_float(inside(value))
    text = value.name if isinstance(value, exp.Literal) and value.is_string else None
    if text is not None and to.this is exp.DataType.Type.DATE and _DATE.fullmatch(text):
        return exp.cast(value.copy(), exp.DataType.Type.DATE)
    if text is not None and to.this in _TIMESTAMPS and _TIME.fullmatch(text):
        return exp.cast(value.copy(), exp.DataType.Type.TIMESTAMPNTZ)
    raise UnsupportedModelError(
        f"{node.sql('duckdb')}",
        "the two engines round and write values in their own ways.",
        f"cast to DOUBLE, write DATE '2024-12-31' or a TIMESTAMP so; or {IN_THE_TABLE}",
    )


def _division(node: exp.Div, inside: Carry) -> exp.Expr:
    """Divide in float64, as DuckDB does; by what cannot be 0, where Snowflake raises an error."""
    divisor = node.expression
    zero = isinstance(divisor, exp.Literal) and not divisor.is_string and not float(divisor.name)
    if zero or not isinstance(divisor, exp.Literal | exp.Nullif):
        raise UnsupportedModelError(
            f"{node.sql('duckdb')}",
            "a division by 0 is infinite in DuckDB and an error in Snowflake.",
            "write / NULLIF(divisor, 0), which is NULL in both.",
        )
    return exp.Div(this=_to_float(inside(node.this)), expression=_to_float(inside(divisor)))


def _product(node: exp.Mul, inside: Carry) -> exp.Expr:
    """Multiply where a factor is a float64 or a whole number: of decimals, digits may be lost.

    Source: https://docs.snowflake.com/en/sql-reference/operators-arithmetic (the scale is 12)
    """
    if not any(_is_float(each) or _is_whole(each) for each in (node.left, node.right)):
        raise UnsupportedModelError(
            f"{node.sql('duckdb')}",
            "of decimals, Snowflake keeps 12 digits after the point, and DuckDB all.",
            "cast one factor to DOUBLE.",
        )
    return _same(node, inside)


def _is_float(node: exp.Expr) -> bool:
    match node:
        case exp.Paren() | exp.Neg():
            return _is_float(node.this)
        case exp.Add() | exp.Sub() | exp.Mul():
            return _is_float(node.left) or _is_float(node.right)
        case exp.Cast():
            return node.to.this is exp.DataType.Type.DOUBLE
        case exp.Literal():
            return not node.is_string and "e" in str(node.this).lower()
        case _:
            return isinstance(node, exp.Div | exp.Anonymous)


def _is_whole(node: exp.Expr) -> bool:
    node = node.this if isinstance(node, exp.Neg) else node
    return isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit()


def _truth(node: exp.Is, inside: Carry) -> exp.Expr:
    """Write IS TRUE so that NULL is not: sqlglot would leave the operand, which is NULL then."""
    value = inside(node.this)
    meant = value if node.expression.this else exp.Not(this=exp.paren(value))
    return exp.Case(ifs=[exp.If(this=meant, true=exp.true())], default=exp.false())


def _to_float(node: exp.Expr) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType(this=exp.DataType.Type.FLOAT, nested=False))


def _refusal(node: exp.Expr) -> UnsupportedModelError:
    written = node.sql("duckdb")
    for kind, reason, way_out in _OF_MANY_ROWS:
        if isinstance(node, kind):
            return UnsupportedModelError(written, f"{reason}.", way_out)
    reason = (
        "it is not certain to mean the same in DuckDB and in Snowflake, or to give the same twice."
    )
    return UnsupportedModelError(written, reason, IN_THE_TABLE)
