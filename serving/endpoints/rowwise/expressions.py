"""Expressions of DuckDB's plan, as closures over the cells of one row."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from . import casts, comparisons
from .calls import Call
from .functions import FUNCTIONS
from .refusing import Refused
from .types import BOOLEAN, STRUCT, Closure, Type, Value, read_constant, read_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....scoring.rewriting.syntax import Node
    from .models import ModelCalls

Columns: TypeAlias = Callable[[int], Value]
"""Gives what a plan refers to by its place: a column of what is below."""

_BOOLEAN = Type(BOOLEAN)
_IN_A_CONDITION = {
    "CONJUNCTION_AND": comparisons.every_in_turn,
    "CONJUNCTION_OR": comparisons.either_in_turn,
}
_CONJUNCTIONS = {"CONJUNCTION_AND": comparisons.every, "CONJUNCTION_OR": comparisons.either}


class Expressions:
    """Compiles expressions; models are called by ``models``."""

    def __init__(self, models: ModelCalls) -> None:
        """Take what compiles the calls of models."""
        self._models = models
        self._by_class: Mapping[str, Callable[[Node, Columns], Value]] = {
            "BOUND_REF": lambda node, columns: columns(node.get("index", 0)),
            "BOUND_CONSTANT": self._constant,
            "BOUND_CONJUNCTION": self._conjunction,
            "BOUND_CASE": self._case,
            "BOUND_OPERATOR": self._operator,
            "BOUND_FUNCTION": self._function,
        }
        self._by_operator: Mapping[str, Callable[[list[Value], Type], Closure]] = {
            "OPERATOR_NOT": self._not,
            "OPERATOR_IS_NULL": lambda values, _: _is_null(values[0].run),
            "OPERATOR_IS_NOT_NULL": lambda values, _: _is_not_null(values[0].run),
            "OPERATOR_COALESCE": self._coalesce,
            "COMPARE_IN": lambda values, _: comparisons.contains(values[0], values[1:]),
        }

    def compile(self, node: Node, columns: Columns) -> Value:
        """Compile an expression.

        Raises
        ------
        Refused
            If it has a part whose value is not certain to be DuckDB's.
        """
        found = self._by_class.get(node["expression_class"])
        if found is None:
            raise Refused(f"the expression {node.get('type', node['expression_class'])}")
        return found(node, columns)

    def condition(self, node: Node, columns: Columns) -> Closure:
        """Compile what WHEN asks: whether it is true. DuckDB stops at the first answer."""
        combine = _IN_A_CONDITION.get(node["type"])
        if combine is not None:
            return combine(tuple(self.condition(c, columns) for c in node["children"]))
        return self.compile(node, columns).run

    def _constant(self, node: Node, _: Columns) -> Value:
        value = read_constant(node["value"])
        return Value(read_type(node["value"]["type"]), lambda _: value, value)

    def _conjunction(self, node: Node, columns: Columns) -> Value:
        values = [self.compile(child, columns) for child in node["children"]]
        return Value(_BOOLEAN, _CONJUNCTIONS[node["type"]](tuple(v.run for v in values)))

    def _case(self, node: Node, columns: Columns) -> Value:
        checks = [
            (self.condition(c["when_expr"], columns), self.compile(c["then_expr"], columns).run)
            for c in node["case_checks"]
        ]
        otherwise = self.compile(node["else_expr"], columns).run

        def run(cells: list[Any]) -> Any:
            for when, then in checks:
                if when(cells):
                    return then(cells)
            return otherwise(cells)

        return Value(read_type(node["return_type"]), run)

    def _operator(self, node: Node, columns: Columns) -> Value:
        make = self._by_operator.get(node["type"])
        if make is None:
            raise Refused(f"the operator {node['type']}")
        values = [self.compile(child, columns) for child in node["children"]]
        result = read_type(node["return_type"])
        return Value(result, make(values, result))

    def _not(self, values: list[Value], _: Type) -> Closure:
        argument = values[0].run

        def run(cells: list[Any]) -> bool | None:
            value = argument(cells)
            return None if value is None else not value

        return run

    def _coalesce(self, values: list[Value], _: Type) -> Closure:
        runs = tuple(value.run for value in values)

        def run(cells: list[Any]) -> Any:
            for one in runs:
                value = one(cells)
                if value is not None:
                    return value
            return None

        return run

    def _function(self, node: Node, columns: Columns) -> Value:
        name = node["qname"]["path"][-1]
        if self._models.is_model(name):
            return self._models.compile(name, node["children"][0], columns, self)
        values = [self.compile(child, columns) for child in node.get("children", [])]
        result = read_type(node["return_type"])
        kind = node["type"]
        if kind == "OPERATOR_CAST":
            is_try = node["function_data"]["try_cast"]
            return Value(result, casts.cast(values[0], result, is_try=is_try))
        if kind.startswith("COMPARE_"):
            return Value(result, comparisons.compare(kind, *values))
        return Value(result, _called(name, values, result))


def _is_null(argument: Closure) -> Closure:
    return lambda cells: argument(cells) is None


def _is_not_null(argument: Closure) -> Closure:
    return lambda cells: argument(cells) is not None


def _called(name: str, values: list[Value], result: Type) -> Closure:
    if name in _STRUCTS:
        return _STRUCTS[name](values, result)
    types = [value.type for value in values]
    call = Call(name, tuple(values), result)
    for function in FUNCTIONS.get(name, ()):
        closure = function.compile(call) if function.fits(types) else None
        if closure is not None:
            return closure
    raise Refused(f"{name}({', '.join(map(str, types))})")


def _pack(values: list[Value], result: Type) -> Closure:
    if result.name != STRUCT:
        raise Refused(f"a struct of type {result}")
    fields = [(name, v.run) for (name, _), v in zip(result.fields, values, strict=True)]
    return lambda cells: {name: run(cells) for name, run in fields}


def _extract(values: list[Value], _: Type) -> Closure:
    source, key = values[0].type, values[1].constant
    names = [name for name, _ in source.fields if name.casefold() == str(key).casefold()]
    if source.name != STRUCT or not isinstance(key, str) or len(names) != 1:
        raise Refused(f"a field of {source}")
    field, argument = operator.itemgetter(names[0]), values[0].run

    def run(cells: list[Any]) -> Any:
        value = argument(cells)
        return None if value is None else field(value)

    return run


_STRUCTS = {"struct_pack": _pack, "struct_extract": _extract, "array_extract": _extract}
