"""Which tables are published: what a user names, or what is made for readers."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..errors import PublishingError
from .warehouse import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .warehouse import SourceTable, Warehouse

_INNER_SCHEMAS = ("raw", "staging", "foresql_checks", "*_raw", "*_staging", "*dbt_test__audit")
_INNER_TABLES = ("stg_*", "raw_*", "*__dbt_tmp*", "*__dbt_backup*")
RUN_LOG = ("runs", "run_tables")
_VERSIONS = ("models", "model_columns")


def select_tables(
    warehouse: Warehouse, patterns: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[SourceTable]:
    """Choose the tables to publish.

    Parameters
    ----------
    warehouse
        Where they are.
    patterns
        Names, with or without their schema; ``*`` stands for any letters. By default all tables
        and views, but those of schemas named raw or staging, and those named ``raw_*``, ``stg_*``.
    exclude
        Patterns of what is left out.

    Raises
    ------
    PublishingError
        If a pattern names nothing, or there is nothing to publish.
    """
    there = [table for table in warehouse.tables() if table.schema != CATALOGUE]
    for pattern in (*patterns, *exclude):
        if not any(_named(table, pattern) for table in there):
            message = (
                f"{warehouse.path.name} has no table {pattern!r}. It has: "
                f"{', '.join(table.title for table in there) or 'none'}."
            )
            raise PublishingError(message)
    chosen = [
        table
        for table in there
        if (any(_named(table, each) for each in patterns) if patterns else _is_for_readers(table))
        and not any(_named(table, each) for each in exclude)
    ]
    if not chosen:
        message = (
            f"{warehouse.path.name} has no table to publish. Name some: --tables 'marts.*,scores'."
        )
        raise PublishingError(message)
    return [warehouse.bound(table) if table.is_view else table for table in chosen]


def own_tables(warehouse: Warehouse, *, has_registry: bool) -> list[SourceTable]:
    """Give dbt's run log, and without a registry the versions that dbt wrote down last."""
    names = RUN_LOG if has_registry else (*RUN_LOG, *_VERSIONS)
    return [
        table
        for table in warehouse.tables()
        if table.schema == CATALOGUE and table.name in names and not table.is_view
    ]


def _named(table: SourceTable, pattern: str) -> bool:
    names = (table.name, f"{table.schema}.{table.name}")
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names)


def _is_for_readers(table: SourceTable) -> bool:
    return not (_any(table.schema, _INNER_SCHEMAS) or _any(table.name, _INNER_TABLES))


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern) for pattern in patterns)
