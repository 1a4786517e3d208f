"""Publish a warehouse's tables and models to Postgres, in one transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import PublishingError, UnsupportedModelError
from ..catalogue import FUNCTIONS, PUBLICATIONS
from ..plan import Publication, make_plan, published_table
from ..proof import EngineRefusalError, prove
from ..selection import RUN_LOG
from ..warehouse import CATALOGUE, SourceColumn, SourceTable, open_warehouse
from .callers import version_call
from .functions import SCORE, compile_functions
from .installing import Installer
from .loading import Incoming, existing_columns, load
from .reading import copy_lines
from .session import check_address, open_session, quoted
from .types import target_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from ...scoring.postgres_types import TargetColumn
    from ..catalogue import CatalogueTable
    from ..models import ServedModel
    from ..plan import Plan, PublishedTable, Request
    from ..warehouse import Warehouse
    from .functions import PostgresModel
    from .session import Session

_MAIN, _PUBLIC = "main", "public"


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """A table with its place and columns in Postgres."""

    source: SourceTable
    schema: str
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]


def publish_postgres(  # noqa: PLR0913 - keyword options of one call
    database: str | Path,
    to: str,
    request: Request,
    *,
    schema: str | None = None,
    keys: Mapping[str, Sequence[str]] | None = None,
    grants: Sequence[str] = (),
    overwrite: bool = False,
) -> Publication:
    """Load a warehouse's tables into Postgres, with models as functions, and the catalogue.

    Parameters
    ----------
    database
        The warehouse, a DuckDB file.
    to
        Where: ``postgresql://user@host/database``, or ``postgresql://`` for libpq's own variables.
        The password comes from ``PGPASSWORD``, ``~/.pgpass`` or a service file.
    request
        What is published.
    schema
        The schema of all tables and functions. By default tables of ``main`` and functions are in
        ``public``, and other tables in the schemas that they come from.
    keys
        By name of a table, the columns that tell its rows apart: only rows that changed are written
        then. A primary key in the warehouse is known without.
    grants
        Roles that may read what is published.
    overwrite
        Publish over tables that this function did not make.

    Raises
    ------
    ForesqlError
        One of its kinds, with what to do. Readers then have what they had before.
    """
    target = check_address(to)
    with open_warehouse(Path(database), request.wait) as warehouse:
        plan = make_plan(warehouse, request)
        targets = _targets(plan, schema, keys or {})
        models, omitted = _models(plan.served)
        with open_session(to, request.wait) as session:
            publishing = _Publishing(session, warehouse, plan, schema or _PUBLIC, overwrite)
            left = publishing.functions_left(models)
            if left and not request.mixed_versions:
                raise _refuse_left(left)
            publishing.prepare(models)
            with session.connection.transaction():
                tables = publishing.publish(targets, models, request, grants)
    return Publication(
        target,
        plan.now,
        plan.run_id,
        tables,
        {model.served.function: model.served.title for model in models},
        omitted,
        (*plan.problems, *left.values()),
    )


def _refuse_left(left: Mapping[str, str]) -> PublishingError:
    return PublishingError(
        f"Readers would see two versions at once: {'; '.join(left.values())}.\n"
        "  What to do: publish functions of the tables' versions too (--models); or withdraw those "
        f"that are there (DROP FUNCTION {', '.join(left)}; the others then end with an error); or "
        "publish the tables as they are, with --mixed-versions."
    )


def _targets(plan: Plan, schema: str | None, keys: Mapping[str, Sequence[str]]) -> list[_Target]:
    """Say where each table goes, before anything is changed."""
    unknown = set(keys) - {name for table in plan.tables for name in (table.name, table.title)}
    if unknown:
        message = (
            f"--key names {min(unknown)!r}, and no such table is published. These are: "
            f"{', '.join(table.title for table in plan.tables)}."
        )
        raise PublishingError(message)
    targets: dict[tuple[str, str], _Target] = {}
    for table in plan.tables:
        place = schema or (_PUBLIC if table.schema == _MAIN else table.schema)
        if (place, table.name) in targets:
            first = targets[place, table.name].source.title
            message = (
                f"{first} and {table.title} would both be {place}.{table.name}. Leave --schema "
                f"out, or one of them: --exclude {table.title}."
            )
            raise PublishingError(message)
        key = _key(table, keys.get(table.title) or keys.get(table.name))
        targets[place, table.name] = _Target(table, place, target_columns(table), key)
    return list(targets.values())


def _key(table: SourceTable, given: Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return table.key
    found = [table.column(name) for name in given]
    for name, column in zip(given, found, strict=True):
        if column is None:
            message = (
                f"--key: {table.title} has no column {name!r}. It has: "
                f"{', '.join(each.name for each in table.columns)}."
            )
            raise PublishingError(message)
    return tuple(column.name for column in found if column)


def _models(served: Sequence[ServedModel]) -> tuple[list[PostgresModel], dict[str, str]]:
    """Compile models; what Postgres cannot express is refused if asked for, else left out."""
    models: list[PostgresModel] = []
    omitted: dict[str, str] = {}
    for each in served:
        try:
            models.append(compile_functions(each))
        except UnsupportedModelError as error:
            if each.is_asked:
                raise
            omitted[each.function] = f"{each.title}: {error.step}: {error.reason}"
    return models, omitted


class _Publishing:
    """One publication; its order is what makes it safe."""

    def __init__(
        self, session: Session, warehouse: Warehouse, plan: Plan, schema: str, overwrite: bool
    ) -> None:
        self._session = session
        self._warehouse = warehouse
        self._plan = plan
        self._schema = schema
        self._overwrite = overwrite
        self._installer = Installer(session, schema, uuid.uuid4().hex)

    def functions_left(self, models: Sequence[PostgresModel]) -> dict[str, str]:
        """Say which functions would stay that answer by another version than the tables hold.

        They are of models that this publication has no function of. Gives what ends the calls of
        each, and the problem.
        """
        if existing_columns(self._session, CATALOGUE, FUNCTIONS) is None:
            return {}
        published = {model.served.opened.name for model in models}
        found = self._session.rows(
            "SELECT function_name, model_name, model_version "
            f"FROM {CATALOGUE}.{FUNCTIONS} WHERE schema_name = %s ORDER BY function_name",
            [self._schema],
        )
        held = [(title, key) for title, keys in self._plan.carried.items() for key in sorted(keys)]
        left: dict[str, str] = {}
        for function, model, version in found:
            lookup = version_call(self._schema, function)
            for title, (name, held_version) in held if model not in published else ():
                is_there = self._session.rows("SELECT to_regprocedure(%s)", [lookup])[0][0]
                if name == model and held_version != version and is_there:
                    problem = f"{title} holds {name}:{held_version}; {function}() answers"
                    left[lookup] = f"{problem} {model}:{version}"
        return left

    def prepare(self, models: Sequence[PostgresModel]) -> None:
        """Let functions know a new version, before any reader gets it."""
        for model in models:
            if self._installer.needs_preparing(model):
                with self._session.connection.transaction():
                    self._installer.prepare(model)

    def publish(
        self,
        targets: Sequence[_Target],
        models: Sequence[PostgresModel],
        request: Request,
        grants: Sequence[str],
    ) -> tuple[PublishedTable, ...]:
        """Write everything; the caller's transaction makes it appear at once."""
        schemas = sorted({target.schema for target in targets} | {self._schema, CATALOGUE})
        for schema in schemas:
            if not self._session.rows("SELECT to_regnamespace(%s)", [quoted(schema)])[0][0]:
                self._session.run(f"CREATE SCHEMA {quoted(schema)}")
        self._check_catalogue()
        for target in targets:
            self._check_ours(target)
        published = []
        for done, target in enumerate(targets):
            request.progress(target.source.title, done, len(targets))
            rows = self._warehouse.count(target.source)
            written = load(self._session, self._incoming(target))
            self._check_rows(target, rows)
            published.append(published_table(self._plan, target.source, rows, written, target.key))
        self._publish_functions(models, targets)
        self._publish_catalogue(targets, published)
        self._grant(schemas, targets, grants)
        return tuple(published)

    def _check_catalogue(self) -> None:
        """Refuse to write over the run log and the models that dbt keeps in this database."""
        if self._overwrite or existing_columns(self._session, CATALOGUE, PUBLICATIONS) is not None:
            return
        for table in self._plan.catalogue:
            if existing_columns(self._session, CATALOGUE, table.name) is not None:
                message = (
                    f"The table {CATALOGUE}.{table.name} is there, and was not published: "
                    "dbt keeps its run log and models in that schema.\n"
                    "  What to do: publish to another database; or let dbt keep its own elsewhere, "
                    "`vars: {foresql_schema: dbt_log}`; or --overwrite it, and lose its rows."
                )
                raise PublishingError(message)

    def _check_ours(self, target: _Target) -> None:
        """Refuse to write into a table that foresql did not publish."""
        name = target.source.name
        if self._overwrite or existing_columns(self._session, target.schema, name) is None:
            return
        is_listed = existing_columns(self._session, CATALOGUE, PUBLICATIONS) and self._session.rows(
            f"SELECT FROM {CATALOGUE}.{PUBLICATIONS} WHERE schema_name = %s AND table_name = %s",
            [target.schema, name],
        )
        if not is_listed:
            message = (
                f"The table {target.schema}.{name} is there, and was not published by foresql.\n"
                "  What to do: choose another --schema; or --overwrite it, and lose its rows."
            )
            raise PublishingError(message)

    def _incoming(self, target: _Target) -> Incoming:
        source = target.source
        return Incoming(
            target.schema,
            source.name,
            target.columns,
            copy_lines(self._warehouse, source, target.columns),
            target.key,
            source.comment,
        )

    def _check_rows(self, target: _Target, rows: int) -> None:
        place = f"{quoted(target.schema)}.{quoted(target.source.name)}"
        found = self._session.rows(f"SELECT count(*) FROM {place}")[0][0]
        if found != rows:
            message = f"{target.source.title} has {rows:,} rows, and {place} got {found:,}."
            raise PublishingError(message)

    def _publish_functions(
        self, models: Sequence[PostgresModel], targets: Sequence[_Target]
    ) -> None:
        places = [(target.schema, target.source.name) for target in targets]
        # What readers call looks up its version there.
        self._load_catalogue(self._plan.functions([], self._schema), keeps_others=True)
        for model in models:
            self._installer.publish(model, places)
        functions = self._plan.functions([model.served for model in models], self._schema)
        self._load_catalogue(functions, keeps_others=True)
        for model in models:
            prove(model.served, model.compiled, self._asking(model))

    def _publish_catalogue(
        self,
        targets: Sequence[_Target],
        published: Sequence[PublishedTable],
    ) -> None:
        listed = [
            (target.schema, target.source, table.rows)
            for target, table in zip(targets, published, strict=True)
        ]
        for each in self._plan.catalogue:
            # Another warehouse, or dbt with a target here, may have runs of its own in the log.
            self._load_catalogue(each, keeps_others=each.name in RUN_LOG)
        publications = self._plan.publications(listed, self._warehouse.path.name)
        self._load_catalogue(publications, keeps_others=True)

    def _load_catalogue(self, table: CatalogueTable, *, keeps_others: bool = False) -> None:
        source = self._registered(table)
        columns = target_columns(source)
        lines = copy_lines(self._warehouse, source, columns, relation="foresql_rows")
        load(
            self._session,
            Incoming(CATALOGUE, table.name, columns, lines, table.key, table.comment, keeps_others),
        )
        self._warehouse.connection.unregister("foresql_rows")

    def _registered(self, table: CatalogueTable) -> SourceTable:
        """Let DuckDB see a table of the catalogue, whose types it names."""
        self._warehouse.connection.register("foresql_rows", table.data)
        columns = tuple(
            SourceColumn(name, kind, table.comments.get(name))
            for name, kind, *_ in self._warehouse.rows("DESCRIBE SELECT * FROM foresql_rows")
        )
        return SourceTable(CATALOGUE, table.name, columns)

    def _asking(self, model: PostgresModel) -> Callable[[pa.Table], list[tuple[Any, ...]]]:
        asked = [function for function, _ in model.functions if function.kind != SCORE]
        calls = ", ".join(
            f"{quoted(self._schema)}.{quoted(function.called)}"
            f"({', '.join(f'CAST(%s AS {kind})' for _, kind in function.columns)})"
            for function in asked
        )

        def ask(rows: pa.Table) -> list[tuple[Any, ...]]:
            import psycopg

            answers = []
            for row in rows.to_pylist():
                try:
                    with self._session.connection.transaction():
                        found = self._session.rows(f"SELECT {calls}", [*row.values()] * len(asked))
                except psycopg.Error as error:
                    raise EngineRefusalError(str(error)) from error
                answers += found
            return answers

        return ask

    def _grant(
        self, schemas: Sequence[str], targets: Sequence[_Target], grants: Sequence[str]
    ) -> None:
        for role in grants:
            for schema in schemas:
                self._session.run(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(role)}")
            for target in targets:
                place = f"{quoted(target.schema)}.{quoted(target.source.name)}"
                self._session.run(f"GRANT SELECT ON TABLE {place} TO {quoted(role)}")
            self._session.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {CATALOGUE} TO {quoted(role)}")
