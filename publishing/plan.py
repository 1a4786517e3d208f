"""What is going to be published: read from the warehouse and the registry, and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .catalogue import (
    CatalogueTable,
    build_catalogue,
    functions_table,
    last_run,
    publications_table,
    versions_of,
)
from .manifest import described_by
from .models import (
    carried_versions,
    check_versions,
    choose_models,
    open_catalog,
    refuse_versions,
)
from .selection import own_tables, select_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .models import Carried, ServedModel
    from .warehouse import SourceTable, Warehouse

    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asks to publish.

    Attributes
    ----------
    tables, exclude
        Patterns of tables; see :func:`~.selection.select_tables`.
    models
        References; see :func:`~.models.choose_models`. None publishes no functions.
    manifest
        dbt's ``target/manifest.json``: keys and descriptions of tables.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    mixed_versions
        Publish tables of other versions than the functions have.
    wait
        Seconds to wait for a lock that another process holds.
    progress
        Told which table is written, and how many of how many are.
    """

    tables: Sequence[str] = ()
    exclude: Sequence[str] = ()
    models: Sequence[str] | None = ()
    manifest: Path | None = None
    registry: str | Path | None = None
    mixed_versions: bool = False
    wait: float = 0
    progress: Progress = lambda _title, _done, _all: None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The tables of a publication, its models, and what goes into its catalogue."""

    tables: Sequence[SourceTable]
    served: Sequence[ServedModel]
    carried: Carried
    catalogue: Sequence[CatalogueTable]
    run_id: str | None
    now: datetime
    problems: Sequence[str]

    def functions(self, served: Sequence[ServedModel], schema: str = "main") -> CatalogueTable:
        """List the functions that are published in the end."""
        return functions_table(served, schema)

    def publications(
        self, rows: Sequence[tuple[str, SourceTable, int]], source: str
    ) -> CatalogueTable:
        """List the tables that are published in the end."""
        return publications_table(
            rows, self.carried, run_id=self.run_id, source=source, now=self.now
        )


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table that readers have now.

    ``rows_written`` is how many rows of it were sent or changed; ``key`` tells its rows apart.
    """

    name: str
    rows: int
    rows_written: int
    versions: str | None = None
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published, and what was left out and why."""

    target: str
    published_at: datetime
    run_id: str | None
    tables: tuple[PublishedTable, ...]
    functions: Mapping[str, str]
    omitted: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {
            "target": self.target,
            "published_at": self.published_at,
            "run_id": self.run_id,
            "tables": [
                {
                    "name": table.name,
                    "rows": table.rows,
                    "rows_written": table.rows_written,
                    "versions": table.versions,
                    "key": list(table.key),
                }
                for table in self.tables
            ],
            "functions": dict(self.functions),
            "omitted": dict(self.omitted),
            "warnings": list(self.warnings),
        }


def make_plan(warehouse: Warehouse, request: Request) -> Plan:
    """Choose tables and models, and check that they belong together.

    Raises
    ------
    PublishingError
        If a name means nothing, a view cannot be read, or versions are mixed.
    RegistryError, BundleError
        If a model is not there, or not whole.
    """
    tables = select_tables(warehouse, request.tables, request.exclude)
    if request.manifest is not None:
        tables = described_by(request.manifest, tables)
    carried = carried_versions(warehouse, tables)
    catalog = open_catalog(request.registry, is_needed=bool(request.models))
    logs = own_tables(warehouse, has_registry=catalog is not None)
    served = [] if request.models is None else choose_models(catalog, request.models, carried)
    problems = check_versions(served, carried, catalog)
    if problems and not request.mixed_versions:
        raise refuse_versions(problems)
    return Plan(
        tables,
        served,
        carried,
        build_catalogue(warehouse, catalog, logs),
        last_run(warehouse, logs),
        datetime.now(UTC),
        problems,
    )


def published_table(
    plan: Plan, table: SourceTable, rows: int, written: int, key: tuple[str, ...] = ()
) -> PublishedTable:
    """Describe a table that was published."""
    return PublishedTable(table.title, rows, written, versions_of(plan.carried, table), key)
