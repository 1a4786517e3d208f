"""What dbt knows of its tables: which columns are their keys, and what they mean."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import PublishingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .warehouse import SourceTable


@dataclass(frozen=True, slots=True)
class _Described:
    """A model of dbt, as its manifest describes it."""

    key: tuple[str, ...]
    comment: str | None
    comments: Mapping[str, str]


def described_by(manifest: Path, tables: Iterable[SourceTable]) -> list[SourceTable]:
    """Give tables the keys and descriptions of dbt's manifest; what they have of them stays.

    A key is ``config.meta.foresql.key`` of a model, or its ``unique_key``.

    Raises
    ------
    PublishingError
        If the file is no manifest of dbt.
    """
    nodes = _nodes(manifest)
    return [_described(table, nodes.get(_place(table.schema, table.name))) for table in tables]


def _place(schema: str, name: str) -> tuple[str, str]:
    return schema.casefold(), name.casefold()


def _nodes(manifest: Path) -> dict[tuple[str, str], _Described]:
    try:
        nodes = json.loads(manifest.read_bytes())["nodes"].values()
        return {
            _place(node["schema"], node.get("alias") or node["name"]): _node(node)
            for node in nodes
            if node["resource_type"] in {"model", "seed", "snapshot"}
        }
    except OSError as error:
        message = f"{manifest} cannot be read: {error.strerror}. dbt writes target/manifest.json."
        raise PublishingError(message) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{manifest} is no manifest of dbt, which is target/manifest.json."
        raise PublishingError(message) from error


def _node(node: dict[str, Any]) -> _Described:
    config = node.get("config") or {}
    meta = (config.get("meta") or {}).get("foresql") or {}
    given = meta.get("key") or config.get("unique_key") or ()
    comments = {
        name: column["description"]
        for name, column in node.get("columns", {}).items()
        if column.get("description")
    }
    key = (given,) if isinstance(given, str) else tuple(map(str, given))
    return _Described(key, node.get("description") or None, comments)


def _described(table: SourceTable, node: _Described | None) -> SourceTable:
    if node is None:
        return table
    comments = {name.casefold(): text for name, text in node.comments.items()}
    columns = tuple(
        replace(column, comment=column.comment or comments.get(column.name.casefold()))
        for column in table.columns
    )
    # A unique_key may be an expression, which is no column.
    found = [column.name for name in node.key if (column := table.column(name)) is not None]
    key = tuple(found) if len(found) == len(node.key) else ()
    return replace(
        table, columns=columns, comment=table.comment or node.comment, key=table.key or key
    )
