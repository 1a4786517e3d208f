"""Which aggregates give the same bits however DuckDB groups the rows of a frame, and why.

A worker computes a window over a slice of the events, in any order of arrival; the batch computes
it over all of them. DuckDB combines partial results along trees whose shape depends on that. So an
aggregate is approved only where its result is a function of the values in the frame, each as often
as it is there, and of nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from duckdb.sqltypes import DuckDBPyType

from ....errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....scoring.rewriting.syntax import Node

Check: TypeAlias = "Callable[[Node, DuckDBPyType], str | None]"
"""Says why an argument of a type is refused; None where it is fine."""

_INTEGERS = {
    "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger",
}  # fmt: skip
_WIDE = {"ubigint", "hugeint", "uhugeint"}
_FLOATS = {"float", "double"}
_PLAIN = {
    "boolean", "varchar", "blob", "uuid", "enum", "date", "time", "timestamp", "timestamp_s",
    "timestamp_ms", "timestamp_ns", "timestamp with time zone",
}  # fmt: skip
"""Types whose equal values are the same bits. INTERVAL is none: 1 month equals 30 days."""
_DISTINCT = {*_INTEGERS, *_WIDE, *_PLAIN, "decimal"}
_DIGITS = 28
"""DECIMALs of so many digits: ten billion of them cannot pass the 38 digits of their sum."""
_CAST = "cast it to DECIMAL, as in value::DECIMAL(18, 6): decimal sums are exact."
_ZEROS = "-0.0 and 0.0 are equal, and which of them comes depends on how DuckDB groups the rows"
_ADD_ZERO = "add 0.0 to it, as in max(value + 0.0), or cast it to DECIMAL."
_BY_STRUCT = (
    "take the greatest pair, as in (max({'at': time, 'value': value}) OVER (… EXCLUDE GROUP)).value "
    "for the row before; of several rows of one time that is the one with the greatest value."
)
_SQUARES = (
    "take it from exact sums: count(value), sum(value::DECIMAL(18, 6)) and "
    "sum((value * value)::DECIMAL(24, 6)) over the window, and the formula outside of it."
)
_EQUAL_TIMES = "which of several rows of one time comes is not certain."
_OF_FLOATS = "it adds floats, and their last bits depend on the order of adding."


class _Approved(NamedTuple):
    """An aggregate: what its first argument may be, how many it takes, and whether DISTINCT is."""

    check: Check
    arguments: tuple[int, ...] = (1,)


def _any(_node: Node, _type: DuckDBPyType) -> str | None:
    return None


def _is_integer(type_: DuckDBPyType) -> bool:
    return type_.id in _INTEGERS


def _decimal_digits(type_: DuckDBPyType) -> int:
    if type_.id != "decimal":
        return 0
    [digits] = [value for name, value in type_.children if name == "precision"]
    return digits if isinstance(digits, int) else 0


def _summed(_node: Node, type_: DuckDBPyType) -> str | None:
    """Whole numbers and decimals are added as 128 bit integers, which cannot overflow here."""
    if _is_integer(type_) or type_.id == "boolean" or 0 < _decimal_digits(type_) <= _DIGITS:
        return None
    if type_.id in _FLOATS:
        return _OF_FLOATS
    return f"{type_} is neither a whole number nor a DECIMAL of at most {_DIGITS} digits."


def _ranked(_node: Node, type_: DuckDBPyType) -> str | None:
    """Order statistics of values that are the same bits where they are equal."""
    if _is_integer(type_) or 0 < _decimal_digits(type_) <= _DIGITS:
        return None
    if type_.id in _FLOATS:
        return f"{_ZEROS}, and NaN has no rank."
    return f"{type_} is neither a whole number nor a DECIMAL of at most {_DIGITS} digits."


def _bits(_node: Node, type_: DuckDBPyType) -> str | None:
    return None if _is_integer(type_) else f"{type_} is no whole number."


def _truth(_node: Node, type_: DuckDBPyType) -> str | None:
    return None if type_.id == "boolean" else f"{type_} is not BOOLEAN."


def _ordered(node: Node, type_: DuckDBPyType) -> str | None:
    """The least or greatest is one value where equal ones are the same bits; NaN is one value."""
    if type_.id in _DISTINCT:
        return None
    if type_.id in _FLOATS:
        return None if _is_never_minus_zero(node) else f"{_ZEROS}."
    if type_.id in {"struct", "tuple"}:
        return _ordered_struct(node, type_)
    return f"equal values of {type_} may be different ones."


def _ordered_struct(node: Node, type_: DuckDBPyType) -> str | None:
    types = [child for _, child in type_.children if isinstance(child, DuckDBPyType)]
    parts = [each["expression"] for each in node.get("arguments", ())]
    known = node.get("function_name", "").casefold() in {"struct_pack", "row"}
    if not known or len(parts) != len(types):
        parts = [{} for _ in types]
    problems = (_ordered(part, child) for part, child in zip(parts, types, strict=True))
    return next((problem for problem in problems if problem), None)


def _is_never_minus_zero(node: Node) -> bool:
    """Whether an expression of floats is x + 0.0, abs(x), or a cast from what has no -0.0."""
    if node.get("class") == "CAST":
        inner = node["child"]
        if inner.get("class") != "CAST":
            return False
        id_ = inner["type_expr"].get("type_name", "").casefold()
        return id_ in {*_INTEGERS, *_WIDE, "decimal"} or _is_never_minus_zero(inner)
    if node.get("class") != "FUNCTION":
        return False
    if node["function_name"] in {"abs", "@"}:
        return True
    return node["function_name"] == "+" and any(
        _is_zero(each["expression"]) for each in node["arguments"]
    )


def _is_zero(node: Node) -> bool:
    literal = node.get("literal") or {}
    return (
        node.get("class") == "CONSTANT"
        and literal.get("kind") in {"INTEGER", "NUMERIC"}
        and literal["text"].strip("0") in {"", "."}
    )


_APPROVED = {
    "count": _Approved(_any),
    "count_star": _Approved(_any, (0,)),
    "count_if": _Approved(_truth),
    "countif": _Approved(_truth),
    "min": _Approved(_ordered),
    "max": _Approved(_ordered),
    "sum": _Approved(_summed),
    "avg": _Approved(_summed),
    "mean": _Approved(_summed),
    "bool_and": _Approved(_truth),
    "bool_or": _Approved(_truth),
    "bit_and": _Approved(_bits),
    "bit_or": _Approved(_bits),
    "bit_xor": _Approved(_bits),
    "median": _Approved(_ranked),
    "quantile_cont": _Approved(_ranked, (2,)),
    "quantile_disc": _Approved(_ranked, (2,)),
}
APPROVED = tuple(_APPROVED)
"""The aggregates that windows may have."""

_SPREAD = (
    "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "sem", "skewness",
    "kurtosis", "kurtosis_pop", "corr", "covar_pop", "covar_samp", "regr_slope",
)  # fmt: skip
_PICKED = (
    "first_value", "last_value", "nth_value", "lag", "lead", "first", "last", "any_value",
    "arbitrary", "arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by", "mode",
)  # fmt: skip
_LISTED = ("list", "array_agg", "string_agg", "group_concat", "listagg")
_NUMBERED = (
    "row_number", "rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist", "ntile",
)  # fmt: skip
_REFUSED = {
    **dict.fromkeys(_SPREAD, (_OF_FLOATS, _SQUARES)),
    **dict.fromkeys(("fsum", "kahan_sum", "sumkahan", "favg"), (_OF_FLOATS, "sum DECIMALs.")),
    **dict.fromkeys(_PICKED, (_EQUAL_TIMES, _BY_STRUCT)),
    **dict.fromkeys(_LISTED, ("the order among equal times is not certain.", "count or sum.")),
    **dict.fromkeys(
        _NUMBERED,
        ("it counts all rows of the partition, however old.", "count(*) over a RANGE frame."),
    ),
}


def check_aggregate(window: Node, types: Sequence[DuckDBPyType]) -> None:
    """Check the function of a window.

    Parameters
    ----------
    window
        The window, as DuckDB's parser gives it.
    types
        The types of its arguments.

    Raises
    ------
    UnsupportedModelError
        If its result may depend on more than the values in the frame, with the way out.
    """
    name = window["function_name"].casefold()
    what = f"{name} OVER in the query"
    approved = _APPROVED.get(name)
    if approved is None:
        unknown = ("it is not known to be exact.", f"use one of: {', '.join(APPROVED)}.")
        raise UnsupportedModelError(what, *_REFUSED.get(name, unknown))
    if window["arg_orders"] or window["has_ignore_nulls"]:
        raise UnsupportedModelError(
            f"ORDER BY or NULLS within {name}",
            "aggregates of windows take the values of a frame without an order.",
            "leave it out.",
        )
    if name == "count" and not types:
        return
    if len(types) not in approved.arguments:
        raise UnsupportedModelError(
            what, f"it has {len(types)} arguments.", f"give it {approved.arguments[0]}."
        )
    _check_argument(window, approved.check, types)


def _check_argument(window: Node, check: Check, types: Sequence[DuckDBPyType]) -> None:
    if not types:
        return
    type_ = types[0]
    problem = check(window["arguments"][0]["expression"], type_)
    if problem is None and window["distinct"] and type_.id not in _DISTINCT:
        problem = f"which values of {type_} are equal depends on how DuckDB compares them."
    if problem is not None:
        way_out = _ADD_ZERO if check is _ordered and type_.id in _FLOATS else _CAST
        raise UnsupportedModelError(
            f"{window['function_name']} of {type_} OVER in the query", problem, way_out
        )
