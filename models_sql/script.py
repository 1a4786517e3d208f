"""A model that lives in tables: statements that make them, in order, and the one that scores.

A table's name ends with a fingerprint of its rows, so a second run writes the same rows again, and
versions live side by side. Where DDL takes part in transactions, all tables appear at once; where
it does not, a table is filled under another name first. So a query sees whole tables, or an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import UnsupportedModelError
from .inserts import cells, column_list, insert_statements, too_large
from .statement import LOADED_AT_ONCE, write_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..ir import Model
    from .model_tables import ModelTable
    from .statement import Header, Statement
    from .target import Target

    Fill = Callable[[ModelTable, str], Iterator[str]]

_LOADING = "_new"


@dataclass(frozen=True, slots=True)
class Script:
    """What makes a model's tables, and what scores with them.

    Attributes
    ----------
    comment
        What it is, in lines of a comment.
    tables
        The tables, none for a model that needs none.
    score
        Statements that make what scores: a view, or a macro over any table.
    """

    comment: str
    tables: tuple[ModelTable, ...]
    score: tuple[str, ...]


def write_script(model: Model, target: Target, statement: Statement, header: Header) -> Script:
    """Write a model with its tables: a view where a table to score is named, else a macro.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, or there is neither a table nor a macro.
    """
    if statement.source is None and target.forms.macro is None:
        raise UnsupportedModelError(
            "form 'tables'",
            "it ends with a view, and no table to score is named.",
            'give one: source="flights", or --from flights.',
        )
    form = "macro" if statement.source is None else "view"
    written = write_parts(model, target, replace(statement, form=form), header)
    drop = target.forms.drop_view if form == "view" else ""
    before = [_filled(drop, {"name": target.quoted(statement.name)})] if drop else []
    return Script(written.comment, written.query.tables, (*before, written.text))


def with_rows(script: Script, target: Target) -> Iterator[str]:
    """Give all statements, with the tables' rows as INSERTs.

    Raises
    ------
    UnsupportedModelError
        If there are too many rows for that.
    """
    rows = sum(map(cells, script.tables))
    if rows > LOADED_AT_ONCE:
        raise too_large(f"its tables have {rows:,} values, and {LOADED_AT_ONCE:,} is the most")
    yield from table_statements(script, target)
    yield from script.score


def table_statements(
    script: Script, target: Target, stage: str | None = None, *, from_files: bool = False
) -> Iterator[str]:
    """Give the statements that make the tables, from INSERTs or from files beside the script."""
    storage = target.storage

    def load(table: ModelTable, name: str) -> Iterator[str]:
        pieces = {"name": name, "file": data_file(table, target), "stage": stage or ""}
        return (_filled(statement, pieces) for statement in storage.load)

    def insert(table: ModelTable, name: str) -> Iterator[str]:
        return insert_statements(table, name, target)

    is_loaded = from_files and bool(storage.load)
    if not script.tables:
        return
    if storage.begin:
        yield storage.begin
    for table in script.tables:
        yield from _table(table, target, load if is_loaded else insert, is_loaded=is_loaded)
    if storage.commit:
        yield storage.commit


def data_file(table: ModelTable, target: Target) -> str:
    """Name the file of a table's rows."""
    letters = "".join(each if each.isascii() and each.isalnum() else "_" for each in table.name)
    return f"{letters}.{target.storage.suffix}"


def _table(table: ModelTable, target: Target, fill: Fill, *, is_loaded: bool) -> Iterator[str]:
    storage = target.storage
    own = target.quoted(table.name)
    is_renamed = bool(storage.rename) and not storage.begin
    name = target.quoted(table.name + _LOADING) if is_renamed else own
    pieces = {
        "name": name,
        "columns": column_list(table, target),
        "text": target.message(name),
    }
    if not storage.empty:
        yield _filled(storage.drop, pieces)
    if not (is_loaded and storage.makes_table):
        yield _filled(storage.create, pieces)
    if storage.empty:
        yield _filled(storage.empty, pieces)
    yield from fill(table, name)
    if is_renamed:
        yield _filled(storage.drop, {"name": own})
        yield _filled(storage.rename, {"loading": name, "name": own})
    if storage.after:
        yield _filled(storage.after, {"name": own})


def _filled(template: str, pieces: dict[str, str]) -> str:
    """Put pieces into their places at once: one may hold a brace."""
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(pieces[part] if index % 2 else part for index, part in enumerate(parts))
