"""What a dbt project says of its tables, where its manifest lies near the database."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Hints", "read_hints"]

ANSWER = "answer_id"
"""What tells the rows of a prediction log apart: the request's id, and the row's place in it."""

_PLACES = ("dbt_project/target/manifest.json", "target/manifest.json", "../target/manifest.json")


@dataclass(frozen=True, slots=True)
class Hints:
    """Names of tables and columns of one model's predictions; what is unknown is empty."""

    predictions: str = ""
    features: str = ""
    key: tuple[str, ...] = ()
    score: str = ""
    label: str = ""
    marts: tuple[str, ...] = ()
    descriptions: dict[str, str] = field(default_factory=dict)


def read_hints(database: Path, name: str, alias: str | None) -> Hints:
    """Read the manifest of the dbt project beside a database; nothing where there is none.

    A folder is a prediction log, whose views are known.
    """
    if database.is_dir():
        return Hints(f"{name}_predictions", f"{name}_features", (ANSWER,))
    for place in _PLACES:
        path = database.parent / place
        try:
            manifest: Any = json.loads(path.read_text("utf-8"))
            nodes = {key: dict(node) for key, node in manifest["nodes"].items()}
            return _hints(nodes, name, alias)
        except (OSError, ValueError, TypeError, AttributeError, LookupError):
            # No manifest, or one of another form: the database itself says enough.
            continue
    return Hints()


def _hints(nodes: dict[str, dict[str, Any]], name: str, alias: str | None) -> Hints:
    models = {key: node for key, node in nodes.items() if node.get("resource_type") == "model"}
    scored = {key: meta for key, node in models.items() if (meta := _meta(node)).get("scored")}
    mine = [key for key, meta in scored.items() if _answers(meta, name, alias)]
    if not mine:
        return Hints(descriptions=_descriptions(models, set(models)))
    chosen, meta = mine[0], scored[mine[0]]
    outputs = meta.get("outputs") or {}
    marts = [
        key
        for key, node in models.items()
        if chosen in (node.get("depends_on") or {}).get("nodes", ()) and key not in scored
    ]
    by_name = {key: node.get("name") for key, node in models.items()}
    features = [key for key, each in by_name.items() if each == meta.get("features")]
    return Hints(
        predictions=_relation(models[chosen]),
        features=_relation(models[features[0]]) if features else "",
        key=tuple(map(str, meta.get("key") or ())),
        score=str(outputs.get("predict_proba") or ""),
        label=str(outputs.get("predict") or ""),
        marts=tuple(_relation(models[key]) for key in marts),
        descriptions=_descriptions(models, {chosen, *features}),
    )


def _meta(node: dict[str, Any]) -> dict[str, Any]:
    config = node.get("config") or {}
    return (config.get("meta") or {}).get("foresql") or {}


def _answers(meta: dict[str, Any], name: str, alias: str | None) -> bool:
    reference = str(meta.get("reference", ""))
    if alias is not None:
        return reference == f"{name}@{alias}"
    return reference.replace("@", ":").split(":")[0] == name


def _relation(node: dict[str, Any]) -> str:
    return f"{node.get('schema')}.{node.get('alias') or node.get('name')}"


def _descriptions(models: dict[str, dict[str, Any]], chosen: set[str]) -> dict[str, str]:
    return {
        str(column["name"]): " ".join(str(column["description"]).split())
        for key in models
        if key in chosen
        for column in (models[key].get("columns") or {}).values()
        if column.get("description")
    }
