"""Models of a dbt project as endpoints: their compiled SQL and types, out of its manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import EndpointError
from ...scoring.trees import folded
from ..watching import stamp
from .definition import definition_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .definition import Definition

_MOST_BYTES = 512 * 2**20
META = "endpoint"
"""Where a model's ``meta`` holds what a TOML file says beside a query."""


class DbtModels:
    """Models of a project that dbt compiled; a later compilation is followed."""

    def __init__(self, project: Path, models: Sequence[str]) -> None:
        """Take the project's folder, and the models' names."""
        self._path = project / "target" / "manifest.json"
        self._models = models
        self._read: tuple[object, Mapping[str, Any]] | None = None

    def names(self) -> Mapping[str, object]:
        """Name the models."""
        return dict.fromkeys(self._models, stamp(self._path))

    def read(self, name: str) -> Definition:
        """Read a model: its compiled SQL, what its ``meta`` says, and its parents' columns.

        Raises
        ------
        EndpointError
            If the manifest cannot be read, or has no such model that is compiled.
        """
        manifest = self._manifest()
        nodes: Mapping[str, Any] = manifest["nodes"]
        found = [
            node
            for node in nodes.values()
            if node.get("resource_type") == "model" and node.get("name") == name
        ]
        if len(found) != 1:
            there = sorted(n["name"] for n in nodes.values() if n.get("resource_type") == "model")
            message = f"{self._path} has {len(found)} models {name}. It has {', '.join(there)}."
            raise EndpointError(message)
        [node] = found
        text = node.get("compiled_code")
        if not isinstance(text, str):
            message = f"{self._path}: the model {name} is not compiled. Run dbt compile."
            raise EndpointError(message)
        meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}.get(META, {})
        if not isinstance(meta, dict):
            message = f"{self._path}: {name}, meta {META}: must be a mapping."
            raise EndpointError(message)
        definition = definition_of(name, text, meta, self._path, self._path)
        sources = {**nodes, **manifest.get("sources", {})}
        parents = [sources[key] for key in node["depends_on"]["nodes"] if key in sources]
        return replace(definition, known=dict(filter(None, map(_columns, parents))))

    def _manifest(self) -> Mapping[str, Any]:
        current = stamp(self._path)
        if self._read is None or self._read[0] != current:
            self._read = (current, self._parsed())
        return self._read[1]

    def _parsed(self) -> Mapping[str, Any]:
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                message = f"{self._path} is larger than a manifest can be."
                raise EndpointError(message)
            found = json.loads(self._path.read_bytes())
        except OSError as error:
            message = f"{self._path} cannot be read: {error.strerror}. Run dbt compile first."
            raise EndpointError(message) from error
        except (ValueError, RecursionError) as error:
            message = f"{self._path} is no manifest of dbt: {error}."
            raise EndpointError(message) from error
        if not isinstance(found, dict) or not isinstance(found.get("nodes"), dict):
            message = f"{self._path} is no manifest of dbt: it has no nodes."
            raise EndpointError(message)
        return found


def _columns(node: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """Give the relation of a parent, folded, and its columns' types, where all have one."""
    name = node.get("alias") or node.get("identifier") or node.get("name")
    types = {key: column.get("data_type") for key, column in node.get("columns", {}).items()}
    if not name or not types or not all(types.values()):
        return None
    path = folded([str(part) for part in (node.get("database"), node.get("schema"), name) if part])
    return path, {key: str(type_) for key, type_ in types.items()}
