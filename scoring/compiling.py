"""From what a user names to SQL that needs nothing but the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..errors import UnsupportedModelError
from ..ir.bundle import Bundle, encode_bundle
from ..models_sql import Header, Statement, target_of, write_statement
from .models import open_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def compile_sql(  # noqa: PLR0913 - keyword options of one call
    model: str | Path | Bundle,
    to: str,
    *,
    form: str = "select",
    source: str | None = None,
    name: str | None = None,
    keep: Sequence[str] | None = None,
    strategy: str = "case",
    double_sums: bool = False,
    fold_case: bool = False,
    registry: str | Path | None = None,
) -> str:
    """Write a model as SQL.

    Parameters
    ----------
    model
        A reference into the registry (``"delay@champion"``, ``"delay:3"``), the path of a
        ``.foresql`` bundle, or a bundle.
    to
        The target: ``"duckdb"``, ``"snowflake"``, ``"postgres"``, …
    form
        ``"select"``: a query. ``"view"``: the view of that query. ``"macro"``: a table macro over
        any table (DuckDB). ``"function"``: a function of one row, where the target has them.
    source
        The table, as SQL names it. Needed for queries and views.
    name
        The view's, macro's or function's name; ``score_<model>`` by default.
    keep
        Columns of the table that stand beside the answers, such as its key; by default those that
        the model reads.
    strategy
        How forests are written: ``"case"``.
    double_sums
        Let sums be float64 where the library's are float32 and the target has none. Answers then
        agree to about 1e-6 of their size.
    fold_case
        Write names of columns as the target stores names without quotes: in upper case in
        Snowflake, in lower case in Postgres.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.

    Returns
    -------
    str
        One statement, without a semicolon. The same model and options give the same text.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, with the reason and the way out.
    RegistryError, BundleError
        If there is no such model, or its bundle is not whole.
    """
    bundle, model_name, version = _named(model, registry)
    target = target_of(to)
    statement = Statement(
        form=form,
        name=name or f"score_{model_name}",
        source=None if source is None else _table(source, target.dialect),
        keep=None if keep is None else tuple(keep),
        strategy=strategy,
        double_sums=double_sums,
        fold_case=fold_case,
    )
    return write_statement(bundle.model, target, statement, _header(bundle, model_name, version))


def _named(
    model: str | Path | Bundle, registry: str | Path | None
) -> tuple[Bundle, str, int | None]:
    """Give a bundle, its model's name, and its version in a registry."""
    if isinstance(model, Bundle):
        return model, str(model.card.get("name") or "model"), None
    opened = open_model(model, registry)
    return opened.bundle, opened.name, opened.version


def _table(source: str, dialect: str) -> str:
    """Check that a text names a table, and nothing besides."""
    try:
        parsed = sqlglot.parse_one(source, into=exp.Table, dialect=dialect)
    except SqlglotError:
        parsed = None
    is_name = isinstance(parsed, exp.Table) and isinstance(parsed.this, exp.Identifier)
    if not is_name or any(mark in source for mark in ("--", "/*", ";", "\n")):
        raise UnsupportedModelError(
            f"the source {source!r}",
            "it is not the name of a table.",
            "give a name, with its schema if need be; quote it as the target does.",
        )
    return source


def _header(bundle: Bundle, name: str, version: int | None) -> Header:
    card: Any = bundle.card
    certificate = card.get("certificate") or {}
    return Header(
        model=name if version is None else f"{name}:{version}",
        digest=bundle.digest or encode_bundle(bundle)[1],
        certified_rows=certificate.get("rows"),
        certified_routes=tuple(certificate.get("routes") or ()),
    )
