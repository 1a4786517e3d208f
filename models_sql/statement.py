"""Statements around a model's query: a comment that says what it is, and its form."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedModelError
from ..ir import ColumnType
from .compile import compile_query, label_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..ir import Model
    from .compile import Query
    from .target import Target

FORMS = ("select", "view", "macro", "function", "tables", "dbt")
STATEMENTS = ("select", "view", "macro", "function")
"""Forms of one statement, which need no table but the one that is scored."""
LOADED_AT_ONCE = 100_000
"""The most rows, or values of lists, of a model's tables that a text holds as INSERTs."""
COMMENT = "-- Model "
"""How every statement begins."""
_WIDTH = 96
_PLACE = re.compile(r"\{(name|query|parameters|results|row|fields)\}")
_ARGUMENT = re.compile(r"\{(index|name|row|key)\}")
_DOLLARS = re.compile(r"\$\w+\$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is asked for; the fields are those of :func:`~..scoring.compiling.compile_sql`."""

    form: str
    name: str
    source: str | None
    keep: tuple[str, ...] | None = None
    strategy: str = "auto"
    double_sums: bool = False
    fold_case: bool = False
    tables_prefix: str = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where a model comes from, for the comment above its statement."""

    model: str
    digest: str
    certified_rows: int | None = None
    certified_routes: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: str, digest: str, card: Mapping[str, Any]) -> Header:
        """Take what a card says of the certificate, whoever wrote the card."""
        certificate = card.get("certificate")
        known = certificate if isinstance(certificate, dict) else {}
        rows, routes = known.get("rows"), known.get("routes")
        return cls(
            model=model,
            digest=digest,
            certified_rows=rows if isinstance(rows, int) else None,
            certified_routes=tuple(map(str, routes)) if isinstance(routes, list) else (),
        )


@dataclass(frozen=True, slots=True)
class Written:
    """A model's statement, without a semicolon, below a comment, and what it reads."""

    comment: str
    text: str
    query: Query


def write_statement(model: Model, target: Target, statement: Statement, header: Header) -> str:
    """Write a model as one statement.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, the target has no such form, or the model needs
        tables of its own.
    """
    written = write_parts(model, target, statement, header)
    tables = written.query.tables
    if tables:
        rows = sum(len(table.data) for table in tables)
        raise UnsupportedModelError(
            f"form {statement.form!r}",
            f"the model lives in {len(tables)} tables of {rows:,} rows.",
            'use form="tables" or "dbt" (--as tables, --as dbt), which bring them.',
        )
    return written.comment + written.text


def write_parts(model: Model, target: Target, statement: Statement, header: Header) -> Written:
    """Write a model as one statement, which may read tables of the model."""
    source = _source(model, target, statement)
    keep = statement.keep
    if keep is None:
        keep = () if statement.form == "function" else model.signature.names
    query = compile_query(
        model,
        target,
        source,
        keep=keep,
        strategy=statement.strategy,
        double_sums=statement.double_sums,
        fold_case=statement.fold_case,
        tables_prefix=statement.tables_prefix,
    )
    comment = "".join(f"-- {line}\n" for line in describe(model, target, statement, header, query))
    return Written(comment, _wrapped(model, target, statement, query), query)


def _source(model: Model, target: Target, statement: Statement) -> str:
    forms = target.forms
    there = {
        "select": True,
        "view": forms.view is not None,
        "macro": forms.macro is not None,
        "function": forms.function is not None,
    }
    if not there.get(statement.form):
        named = [form for form in FORMS if there.get(form, True)]
        raise UnsupportedModelError(
            f"form {statement.form!r}",
            f"{target.title} has none that keeps a model's query.",
            f"use one of {', '.join(named)}.",
        )
    if statement.form in {"macro", "function"}:
        _check_sourceless(statement)
        if statement.form == "macro":
            return forms.macro_source
        return _row_of_arguments(model, target, statement)
    if statement.source is None:
        raise UnsupportedModelError(
            f"form {statement.form!r}",
            "it reads a table, and none is named.",
            'give one: source="flights", or --from flights.',
        )
    return statement.source


def _check_sourceless(statement: Statement) -> None:
    if statement.source is not None:
        raise UnsupportedModelError(
            f"the source {statement.source!r}",
            f"a {statement.form} is given its rows where it is called.",
            "leave source= (--from) out, or use form='view'.",
        )


def _row_of_arguments(model: Model, target: Target, statement: Statement) -> str:
    arguments = []
    for index, name in enumerate(model.signature.names, start=1):
        stored = target.folded(name) if statement.fold_case else name
        pieces = {
            "index": str(index),
            "name": _parameter(name, target),
            "row": _row_name(model),
            "key": target.message(stored),
        }
        argument = _ARGUMENT.sub(lambda found, given=pieces: given[found[1]], target.forms.argument)
        arguments.append(f"{argument} AS {_identifier(name, target, statement)}")
    return f"(SELECT {', '.join(arguments)}) AS given"


def _row_name(model: Model) -> str:
    """Name the parameter that is a whole row as no column is named."""
    names = {name.casefold() for name in model.signature.names}
    return next(name for name in ("row" + "_" * n for n in count()) if name not in names)


def _parameter(name: str, target: Target) -> str:
    return target.quoted(f"_{name}")


def _identifier(name: str, target: Target, statement: Statement) -> str:
    return target.quoted(target.folded(name) if statement.fold_case else name)


def _wrapped(model: Model, target: Target, statement: Statement, query: Query) -> str:
    forms = target.forms
    match statement.form:
        case "view":
            template = str(forms.view)
        case "macro":
            template = str(forms.macro)
        case "function":
            template = str(forms.function)
            _check_dollars(template, query.text, statement)
        case _:
            return query.text
    pieces = {
        "name": target.quoted(statement.name),
        "query": query.text,
        "parameters": ", ".join(_parameters(model, target)),
        "results": ", ".join(_results(model, target, statement, query)),
        "row": _row_name(model),
        "fields": ", ".join(_fields(target, statement, query)),
    }
    # In one pass: what is put in may itself hold a name in braces.
    return _PLACE.sub(lambda found: pieces[found[1]], template)


def _check_dollars(template: str, query: str, statement: Statement) -> None:
    """Refuse a query that would end the text in which a function keeps it."""
    if "$$" in query or any(mark in query for mark in _DOLLARS.findall(template)):
        raise UnsupportedModelError(
            f"form {statement.form!r}",
            "a label or a name holds two dollar signs, which end a function's text.",
            "compile it as a view.",
        )


def _parameters(model: Model, target: Target) -> Iterator[str]:
    if target.types:
        for column in model.signature.columns:
            yield f"{_parameter(column.name, target)} {target.types[column.type]}"


def _results(model: Model, target: Target, statement: Statement, query: Query) -> Iterator[str]:
    if target.types:
        for name in query.columns:
            is_label = model.outputs.classes is not None and name == "prediction"
            result = model.outputs.label_type if is_label else ColumnType.DOUBLE
            yield f"{_identifier(name, target, statement)} {target.types[result]}"


def _fields(target: Target, statement: Statement, query: Query) -> Iterator[str]:
    for name in [*(statement.keep or ()), *query.columns]:
        quoted = _identifier(name, target, statement)
        yield f"{quoted} := answers.{quoted}"


def describe(
    model: Model, target: Target, statement: Statement, header: Header, query: Query
) -> Iterator[str]:
    """Say what a statement is, in lines that hold nothing but printable text."""
    yield _plain(f"Model {header.model}, bundle sha256 {header.digest}.")
    if header.certified_rows is not None:
        routes = ", ".join(header.certified_routes)
        yield _plain(f"Certified on {header.certified_rows:,} rows by {routes}.")
    if query.strategies:
        yield f"Strategy of the forests: {', '.join(query.strategies)}."
    for table in query.tables:
        yield _plain(f"Needs the table {table.name}, {len(table.data):,} rows.")
    columns = ", ".join(f"{column.name} {column.type}" for column in model.signature.columns)
    yield from textwrap.wrap(_plain(f"Reads {columns}."), _WIDTH, subsequent_indent="  ")
    labels = [repr(label) for label in model.outputs.classes or ()]
    if label_names(model) != [str(label) for label in model.outputs.classes or ()]:
        yield _plain(f"Probabilities are numbered by class: {', '.join(labels)}.")
    exact = [name for name in query.columns if name not in query.approximate]
    near = [name for name in query.columns if name in query.approximate - query.carried]
    far = [name for name in query.columns if name in query.carried - query.summed]
    summed = [name for name in query.columns if name in query.summed]
    yield _plain(f"Bit for bit the kernel's: {', '.join(exact) or 'nothing'}.")
    if near:
        yield _plain(f"Within 2 ulp, as exponentials differ between engines: {', '.join(near)}.")
    if far:
        yield _plain(
            f"Within 8 ulp for each function behind them, carried on by sums: {', '.join(far)}."
        )
    if summed:
        yield _plain(f"Within the rounding of the terms of their sums: {', '.join(summed)}.")
    if statement.double_sums and target.to_float32 is None:
        yield "float32 sums are added in float64: answers agree to about 1e-6 of their size."
    known = f"SQL for {target.title}; what its claims rest on: {target.evidence}."
    yield from textwrap.wrap(_plain(known), _WIDTH, subsequent_indent="  ")


def _plain(line: str) -> str:
    """Keep what cannot end a comment."""
    return "".join(each if each.isprintable() else " " for each in line)
