"""A model as a model of dbt: its query over a relation, its properties, and its tables as seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa

from ..errors import UnsupportedModelError
from .compile import label_names
from .jinja import escaped_jinja, yaml_text
from .statement import LOADED_AT_ONCE, write_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..ir import Model
    from .model_tables import ModelTable
    from .statement import Header, Statement, Written
    from .target import Target

_CALL = re.compile(r"(ref|source)\(\s*('[\w.-]+'\s*(?:,\s*'[\w.-]+'\s*)?)\)")
_NAME = re.compile(r"(?:(\w+)\.)?(\w+)")
_SOURCE = "foresql"


@dataclass(frozen=True, slots=True)
class DbtModel:
    """The files of a model in a dbt project.

    Attributes
    ----------
    name
        The dbt model's.
    sql, properties
        The model, and the YAML beside it.
    seeds
        Tables that are seeds: few rows, without lists.
    sources
        Tables that the form ``tables`` loads.
    """

    name: str
    sql: str
    properties: str
    seeds: tuple[ModelTable, ...]
    sources: tuple[ModelTable, ...]


def write_dbt(model: Model, target: Target, statement: Statement, header: Header) -> DbtModel:
    """Write a model for dbt.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, or what is scored is no relation of dbt.
    """
    if not re.fullmatch(r"\w+", statement.name):
        raise UnsupportedModelError(
            f"the name {statement.name!r}",
            "a model of dbt has letters, digits and underscores.",
            "give another one: name=, or --name.",
        )
    relation = _relation(statement.source)
    plain = replace(statement, form="select", source="foresql_source")
    known = write_parts(model, target, plain, header)
    # Places that nothing in the statement is equal to, for what dbt fills in.
    mark = next(m for m in (f"foresql_{i}_" for i in count()) if m not in known.text)
    marked = replace(plain, source=mark, tables_prefix=mark)
    written = write_parts(model, target, marked, header)
    tables = known.query.tables
    are_seeds = sum(len(table.data) for table in tables) <= LOADED_AT_ONCE and not any(
        pa.types.is_list(field.type) for table in tables for field in table.data.schema
    )
    text = escaped_jinja(written.text)
    for there, table in zip(written.query.tables, tables, strict=True):
        call = f"ref('{table.name}')" if are_seeds else f"source('{_SOURCE}', '{table.name}')"
        text = text.replace(target.quoted(there.name), f"{{{{ {call} }}}}")
    text = text.replace(mark, f"{{{{ {relation} }}}}")
    sql = f"{{{{ config(materialized='view') }}}}\n{escaped_jinja(known.comment)}{text}\n"
    seeds, sources = (tables, ()) if are_seeds else ((), tables)
    properties = "\n".join(
        _properties(model, target, statement, header, known, seeds=seeds, sources=sources)
    )
    return DbtModel(statement.name, sql, properties + "\n", seeds, sources)


def _relation(source: str | None) -> str:
    """Read ``ref('flights')``, ``source('shop', 'flights')``, ``flights`` or ``shop.flights``."""
    given = (source or "").strip().removeprefix("{{").removesuffix("}}").strip()
    if call := _CALL.fullmatch(given):
        return f"{call[1]}({call[2].strip()})"
    if name := _NAME.fullmatch(given):
        return f"source('{name[1]}', '{name[2]}')" if name[1] else f"ref('{name[2]}')"
    raise UnsupportedModelError(
        "form 'dbt'",
        f"{source!r} is no relation of dbt." if source else "what it scores is not named.",
        "give source=\"ref('flights')\" or \"source('shop', 'flights')\" (--from). A bare name is "
        "a ref, and one with a schema a source.",
    )


def _properties(  # noqa: PLR0913 - what is known of a model
    model: Model,
    target: Target,
    statement: Statement,
    header: Header,
    written: Written,
    *,
    seeds: Sequence[ModelTable],
    sources: Sequence[ModelTable],
) -> Iterator[str]:
    yield "version: 2"
    yield "models:"
    yield f"  - name: {statement.name}"
    yield f"    description: {_scalar(f'Scores of the model {header.model}, by foresql.')}"
    yield "    config:"
    yield "      meta:"
    yield "        foresql:"
    for key, value in _meta(header, written, target):
        yield f"          {key}: {value}"
    yield "    columns:"
    keep = model.signature.names if statement.keep is None else statement.keep
    for name in keep:
        yield from _column(name, "Kept from the table that is scored.", target, statement)
        if statement.keep and name == statement.keep[0] and name not in model.signature.names:
            yield "        data_tests: [not_null, unique]"
    for name in written.query.columns:
        yield from _column(name, _description(name, model, written), target, statement)
    if seeds:
        yield "seeds:"
    for table in seeds:
        yield from _seed(table, target)
    if sources:
        yield f"sources:\n  - name: {_SOURCE}"
        yield '    schema: "{{ target.schema }}"'
        yield "    tables:"
    for table in sources:
        yield f"      - name: {table.name}"
        yield f"        description: {_scalar(_rows(table))}"


def _meta(header: Header, written: Written, target: Target) -> Iterator[tuple[str, str]]:
    name, _, version = header.model.partition(":")
    yield "model", _scalar(name)
    if version:
        yield "version", version
    yield "sha256", _scalar(header.digest)
    if header.certified_rows is not None:
        yield "certified_rows", str(header.certified_rows)
        yield "certified_routes", f"[{', '.join(map(_scalar, header.certified_routes))}]"
    yield "target", target.name
    if written.query.strategies:
        yield "strategies", f"[{', '.join(written.query.strategies)}]"


def _column(name: str, description: str, target: Target, statement: Statement) -> Iterator[str]:
    stored = target.folded(name) if statement.fold_case else name
    yield f"      - name: {_scalar(stored)}"
    yield f"        description: {_scalar(description)}"
    yield "        quote: true"


def _description(name: str, model: Model, written: Written) -> str:
    exact = "bit for bit the kernel's"
    if name in written.query.approximate:
        exact = "within 2 ulp of the kernel's"
    if name in written.query.carried:
        exact = "as near to the kernel's as the comment in its SQL says"
    if name.startswith("prediction"):
        return f"The model's prediction, {exact}."
    if name == "probability":
        label = (model.outputs.classes or ("", ""))[1]
        return f"The probability of {label!r}, {exact}."
    if name.startswith("probability_"):
        index = label_names(model).index(name.removeprefix("probability_"))
        label = (model.outputs.classes or ())[index]
        return f"The probability of {label!r}, {exact}."
    return f"The raw score before the link, {exact}."


def _seed(table: ModelTable, target: Target) -> Iterator[str]:
    storage = target.storage
    types = {pa.int64(): storage.integer, pa.float64(): storage.double}
    yield f"  - name: {table.name}"
    yield f"    description: {_scalar(_rows(table))}"
    yield "    config:"
    yield "      quote_columns: true"
    yield "      column_types:"
    for field in table.data.schema:
        yield f"        {field.name}: {_scalar(types.get(field.type, storage.text))}"


def _rows(table: ModelTable) -> str:
    return f"Belongs to a model, {len(table.data):,} rows. It never changes."


def _scalar(text: str) -> str:
    """Write a text of YAML, which dbt renders by Jinja."""
    return yaml_text(escaped_jinja(text))
