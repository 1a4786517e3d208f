"""Calls of models in a scoring query: which version each means, and how Snowflake is asked for it.

A call by row, by name or by position becomes the versioned function with positional arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlglot import exp

from ...errors import RegistrationError, UnsupportedModelError
from ...ir.bundle import encode_bundle
from ...scoring.models import BUNDLE_SUFFIX, open_model
from ...scoring.query import callable_models
from ...udfs.duckdb.ownership import function_name as duckdb_name
from ...udfs.snowflake.functions import INTEGER, ServedFunction, served_functions
from ...udfs.snowflake.names import KINDS, folded, function_name, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ...scoring.models import OpenModel
    from .settings import Settings

ROW = "F"
"""How what is written calls the table's row."""
_PREFIXES = ("predict_", "explain_", "interval_")
_UNCAST = {"VARCHAR", "BOOLEAN"}
"""Types that a value must have already: a cast would make one out of others."""


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """A version that a query calls."""

    name: str
    version: int
    digest: str


class Declared(NamedTuple):
    """The type that a column must have, and the first model that asks for it."""

    type: str
    model: str


class NamedColumns:
    """Names of a table's columns, each as Snowflake stores it."""

    def __init__(self, alias: str, fold_case: bool) -> None:
        """Take the row's name; ``taken`` are the names that the SELECT gives to expressions."""
        self.alias, self.fold_case = alias, fold_case
        self.taken: frozenset[str] = frozenset()
        self.read: dict[str, None] = {}
        self.last = ""
        self.is_row_passed = False
        self._spelled: dict[str, str] = {}

    @staticmethod
    def fold(name: str, fold_case: bool) -> str:
        """Give the stored form of a name: upper case, where it needs no quotes."""
        return folded(name) if fold_case else name

    def column(self, node: exp.Column, own: str | None = None) -> exp.Expr:
        """Write a reference to a column; ``own`` is the name that the SELECT gives to it."""
        if node.args.get("db") or isinstance(node.this, exp.Star):
            raise UnsupportedModelError(
                node.sql("duckdb"), "it is not a column of the table.", "name the column."
            )
        if node.table and node.table.casefold() != self.alias.casefold():
            raise UnsupportedModelError(
                node.sql("duckdb"),
                f"the query reads {self.alias} alone, and fields of structs are not carried over.",
                f"write {self.alias}.{node.name}, or make the field a column.",
            )
        name = node.name.casefold()
        if not node.table and name in self.taken and name != (own or "").casefold():
            raise UnsupportedModelError(
                node.sql("duckdb"),
                "it may be the column of the table, or the one that the query gives.",
                f"write {self.alias}.{node.name}, or give the other one another name.",
            )
        return self.named(node.name)

    def named(self, name: str) -> exp.Expr:
        """Write a reference to a column by its name."""
        stored = self.fold(name, self.fold_case)
        spelled = self._spelled.setdefault(name.casefold(), stored)
        if spelled != stored:
            raise UnsupportedModelError(
                f"the columns {spelled!r} and {stored!r}",
                "DuckDB takes them for one, and Snowflake for two.",
                "spell the column in one way, as the table in Snowflake has it.",
            )
        self.read[stored] = None
        self.last = stored
        return exp.column(
            exp.to_identifier(stored, quoted=True), exp.to_identifier(ROW, quoted=True)
        )


class Models:
    """The models that a query's functions may mean, each opened once."""

    def __init__(self, registry: Path, pinned: Sequence[str] = ()) -> None:
        """Take a registry; ``pinned`` are references that go before aliases: ``delay:7``."""
        self._registry = registry
        meant = dict(callable_models(registry)) if registry.exists() else {}
        for reference in pinned:
            name = re.split(r"[:@]", reference)[0]
            if reference.endswith(BUNDLE_SUFFIX) or name == reference:
                raise RegistrationError(
                    f"{reference!r} does not say a version. Pin one of the registry: delay:7."
                )
            meant[f"predict_{name}"] = [reference]
        self._meant = {
            duckdb_name(name, kind).casefold(): (references, kind)
            for name, references in meant.items()
            for kind in KINDS
        }
        self._opened: dict[str, OpenModel] = {}

    def functions(self) -> list[str]:
        """Name the functions, for messages."""
        return sorted(self._meant) or ["none: the registry is empty"]

    def find(self, node: exp.Expr) -> tuple[ScoringModel, ServedFunction] | None:
        """Find the version and the function that a call means; None for what calls no model."""
        if not isinstance(node, exp.Anonymous):
            return None
        references, kind = self._meant.get(node.name.casefold(), (None, ""))
        if references is None:
            self._refuse_unknown(node)
            return None
        if len(references) > 1:
            raise RegistrationError(
                f"{node.name} may mean {' or '.join(references)}. Pin the one that is meant: "
                f"--model {references[0]}."
            )
        opened = self._open(references[0])
        version = opened.version or 0
        digest = opened.bundle.digest or encode_bundle(opened.bundle)[1]
        model = ScoringModel(opened.name, version, digest)
        functions, omitted = served_functions(opened.bundle.model)
        for function in functions:
            if function.kind == kind:
                return model, function
        raise UnsupportedModelError(
            node.name, f"{references[0]} has no such function: {omitted[kind]}.", "leave it out."
        )

    def _refuse_unknown(self, node: exp.Anonymous) -> None:
        """Name what has a model's name and is none."""
        name = node.name.casefold()
        if name.startswith("version_"):
            raise UnsupportedModelError(
                node.name,
                "a task scores by fixed versions.",
                "leave it out: the predictions have MODEL_VERSION.",
            )
        if name.startswith(_PREFIXES):
            raise UnsupportedModelError(
                node.name,
                "the registry has no model with this function.",
                f"publish it, or name another registry (--registry). There is: "
                f"{', '.join(name for name in self.functions() if name.startswith('predict_'))}.",
            )

    def _open(self, reference: str) -> OpenModel:
        if reference not in self._opened:
            self._opened[reference] = open_model(reference, self._registry)
        return self._opened[reference]


def write_call(  # noqa: PLR0913, PLR0917 - one call, and all that it is written from
    node: exp.Expr,
    model: ScoringModel,
    function: ServedFunction,
    names: NamedColumns,
    settings: Settings,
    carried: Callable[[exp.Expr], exp.Expr],
    declared: dict[str, Declared],
) -> exp.Expr:
    """Write a call as one of the versioned function, each argument in its type.

    ``declared`` learns the types of columns that go in as they are.
    """
    values = _arguments(node, function, names, carried)
    for value, argument in zip(values, function.arguments, strict=True):
        if isinstance(value, exp.Column):
            here = Declared(argument.type, f"{model.name}:{model.version}")
            _check_one_type(value.name, declared.setdefault(value.name, here), here)
    typed = [
        _typed(value, argument.type, argument.name)
        for value, argument in zip(values, function.arguments, strict=True)
    ]
    if function.packed:
        typed = _packed(typed, function)
    called = function_name(model.name, function.kind, version=model.version)
    places = settings.places
    path = [exp.to_identifier(part, quoted=True) for part in (places.database, places.models)]
    name = exp.to_identifier(called, quoted=True)
    return exp.Dot.build([*path, exp.Anonymous(this=name, expressions=typed)])


def _check_one_type(column: str, first: Declared, here: Declared) -> None:
    """Refuse a column that cannot have the types of all that it is passed to."""
    if first.type != here.type:
        raise UnsupportedModelError(
            f"the column {quote(column)}",
            f"{first.model} takes it as {first.type}, and {here.model} as {here.type}.",
            "give each a column of its own, in a view that takes the table's place (--view).",
        )


def _arguments(
    node: exp.Expr,
    function: ServedFunction,
    names: NamedColumns,
    carried: Callable[[exp.Expr], exp.Expr],
) -> list[exp.Expr]:
    given = list(node.expressions)
    columns = [argument.name for argument in function.arguments]
    extra = 1 if function.kind == "interval" else 0
    if _is_row(given[: len(given) - extra], names):
        row = [names.named(name) for name in columns[: len(columns) - extra]]
        return row + [carried(_value(each)) for each in given[1:]]
    found: dict[str, exp.Expr] = {}
    by_name = {name.casefold(): name for name in columns}
    for index, each in enumerate(given):
        name = each.name if isinstance(each, exp.Kwarg | exp.PropertyEQ) else None
        positional = columns[index] if index < len(columns) else None
        column = positional if name is None else by_name.get(name.casefold())
        if column is None or column in found:
            raise _wrong(node, columns)
        found[column] = carried(_value(each))
    if len(found) != len(columns):
        raise _wrong(node, columns)
    return [found[name] for name in columns]


def _is_row(given: list[exp.Expr], names: NamedColumns) -> bool:
    """Whether the one argument is the table's alias, and so means the row."""
    if len(given) != 1 or not isinstance(given[0], exp.Column) or given[0].table:
        return False
    if given[0].name.casefold() != names.alias.casefold():
        return False
    names.is_row_passed = True
    return True


def _value(node: exp.Expr) -> exp.Expr:
    return node.expression if isinstance(node, exp.Kwarg | exp.PropertyEQ) else node


def _typed(value: exp.Expr, type_: str, column: str) -> exp.Expr:
    if type_ in _UNCAST:
        return value
    cast = exp.Cast(this=value, to=exp.DataType.build(type_, dialect="snowflake"))
    if type_ == "FLOAT":
        return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.FLOAT, nested=False))
    return _whole(value, cast, column) if type_ == INTEGER else cast


def _whole(value: exp.Expr, cast: exp.Expr, column: str) -> exp.Expr:
    """Refuse a fraction, which the cast would round to another key."""
    message = exp.Literal.string(f"{column} takes whole numbers, not ")
    text = exp.Cast(this=value.copy(), to=exp.DataType.build("VARCHAR"))
    error = exp.Anonymous(this="TO_NUMBER", expressions=[exp.DPipe(this=message, expression=text)])
    fraction = exp.NEQ(this=value.copy(), expression=cast.copy())
    return exp.Case(ifs=[exp.If(this=fraction, true=error)], default=cast)


def _packed(typed: list[exp.Expr], function: ServedFunction) -> list[exp.Expr]:
    count = len(typed) - (1 if function.kind == "interval" else 0)
    pairs = [
        part
        for argument, value in zip(function.arguments[:count], typed[:count], strict=True)
        for part in (exp.Literal.string(argument.name), value)
    ]
    return [exp.Anonymous(this="OBJECT_CONSTRUCT_KEEP_NULL", expressions=pairs), *typed[count:]]


def _wrong(node: exp.Expr, columns: list[str]) -> UnsupportedModelError:
    named = ", ".join(f"{quote(name)} := …" for name in columns[:3])
    return UnsupportedModelError(
        node.sql("duckdb"),
        f"its arguments are not the model's {len(columns)} columns.",
        f"pass the row by the table's alias, or each column: {named}{' …' if columns[3:] else ''}.",
    )
