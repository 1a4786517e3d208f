"""From what a user names to SQL that needs nothing but the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..errors import UnsupportedModelError
from ..ir.bundle import Bundle, encode_bundle
from ..models_sql import (
    Header,
    Statement,
    target_of,
    with_rows,
    write_dbt,
    write_script,
    write_statement,
)
from .compiled_files import write_folder, write_project
from .models import open_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models_sql import Target

_FILES = ("tables", "dbt")


def compile_sql(  # noqa: PLR0913 - keyword options of one call
    model: str | Path | Bundle,
    to: str,
    *,
    form: str = "select",
    source: str | None = None,
    name: str | None = None,
    keep: Sequence[str] | None = None,
    strategy: str = "auto",
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
        ``"tables"``: statements that make the model's own tables, then a view, or a macro where no
        ``source`` is given. ``"dbt"``: the SQL of a dbt model.
    source
        The table, as SQL names it. Needed for queries and views. For dbt a relation:
        ``"ref('flights')"``, ``"source('shop', 'flights')"``, or ``"flights"`` for a ref.
    name
        The view's, macro's, function's or dbt model's name; ``score_<model>`` by default.
    keep
        Columns of the table that stand beside the answers, such as its key; by default those that
        the model reads.
    strategy
        How forests are written: ``"case"``, ``"mask"``, ``"walk"``, or ``"auto"``, which chooses.
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
        One statement, or several for ``"tables"``; without a semicolon at the end. The same model
        and options give the same text.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, with the reason and the way out.
    RegistryError, BundleError
        If there is no such model, or its bundle is not whole.
    """
    asked = _asked(model, to, registry)
    statement = asked.statement(
        form, name, source, keep, strategy=strategy, double_sums=double_sums, fold_case=fold_case
    )
    target, given = asked.target, (asked.bundle.model, asked.target, statement, asked.header)
    if form == "tables":
        script = write_script(*given)
        return script.comment + target.storage.end.join(with_rows(script, target))
    if form != "dbt":
        return write_statement(*given)
    written = write_dbt(*given)
    if written.seeds or written.sources:
        raise UnsupportedModelError(
            "form 'dbt'",
            "the model lives in tables, which are files beside its SQL.",
            "let it write files: foresql.compile_files, or --output FOLDER.",
        )
    return written.sql.removesuffix("\n")


def compile_files(  # noqa: PLR0913 - keyword options of one call
    model: str | Path | Bundle,
    to: str,
    folder: str | Path,
    *,
    form: str = "tables",
    source: str | None = None,
    name: str | None = None,
    keep: Sequence[str] | None = None,
    strategy: str = "auto",
    double_sums: bool = False,
    fold_case: bool = False,
    stage: str | None = None,
    overwrite: bool = False,
    registry: str | Path | None = None,
) -> list[Path]:
    """Write a model as files: scripts with data, or a model of a dbt project.

    Parameters
    ----------
    model, to, source, name, keep, strategy, double_sums, fold_case, registry
        As for :func:`compile_sql`.
    folder
        What is written: a new folder for ``"tables"``; for ``"dbt"`` a dbt project, or a folder of
        models in one.
    form
        ``"tables"``: ``1_tables.sql``, the data that it loads, and ``2_score.sql``. ``"dbt"``: the
        model, its properties, and its tables as seeds.
    stage
        Where the engine finds the data files, for targets that read them from a place of their
        own: ``"gs://bucket/folder"``.
    overwrite
        Replace what this function wrote before.

    Returns
    -------
    list of pathlib.Path
        The files. They are there together or, after an error, not at all.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, with the reason and the way out.
    RegistryError, BundleError
        If there is no such model, or its bundle is not whole.
    ForesqlError
        If a file cannot be written.
    """
    if form not in _FILES:
        raise UnsupportedModelError(
            f"form {form!r}", "it is one statement.", f"write {' or '.join(_FILES)} to a folder."
        )
    asked = _asked(model, to, registry)
    statement = asked.statement(
        form, name, source, keep, strategy=strategy, double_sums=double_sums, fold_case=fold_case
    )
    given = asked.bundle.model, asked.target, statement, asked.header
    if form == "dbt":
        written = write_dbt(*given)
        return write_project(written, asked.target, Path(folder), overwrite=overwrite)
    return write_folder(
        write_script(*given),
        asked.target,
        Path(folder),
        about={"model": asked.header.model, "sha256": asked.header.digest, "target": to},
        stage=stage,
        overwrite=overwrite,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model that was found, and for whom it is written."""

    bundle: Bundle
    name: str
    version: int | None
    target: Target

    @property
    def header(self) -> Header:
        name = self.name if self.version is None else f"{self.name}:{self.version}"
        digest = self.bundle.digest or encode_bundle(self.bundle)[1]
        return Header.of(name, digest, self.bundle.card)

    def statement(
        self,
        form: str,
        name: str | None,
        source: str | None,
        keep: Sequence[str] | None,
        **options: Any,
    ) -> Statement:
        """Check what a user named, and say what is to be written."""
        _check_name(name)
        name = name or f"score_{self.name}"
        return Statement(
            form=form,
            name=name,
            source=_source(source, form, self.target),
            keep=_columns(keep),
            tables_prefix=name if self.version is None else f"{name}_v{self.version}",
            **options,
        )


def _asked(model: str | Path | Bundle, to: str, registry: str | Path | None) -> _Asked:
    target = target_of(to)
    if isinstance(model, Bundle):
        return _Asked(model, str(model.card.get("name") or "model"), None, target)
    opened = open_model(model, registry)
    return _Asked(opened.bundle, opened.name, opened.version, target)


def _check_name(name: str | None) -> None:
    if name is not None and not name.strip():
        raise UnsupportedModelError(
            f"the name {name!r}", "it is empty.", "leave name= (--name) out, or give a name."
        )


def _source(source: str | None, form: str, target: Target) -> str | None:
    """Check a source; what dbt calls a relation is read where it is written."""
    return source if source is None or form == "dbt" else _table(source, target.dialect)


def _columns(keep: Sequence[str] | None) -> tuple[str, ...] | None:
    """Check names: a text is a sequence of letters."""
    if isinstance(keep, str):
        raise UnsupportedModelError(
            f"keep={keep!r}", "it is a text, not a list of columns.", f"give keep=[{keep!r}]."
        )
    return None if keep is None else tuple(keep)


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
