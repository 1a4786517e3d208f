"""The catalogue: what the registry knows of every version, as tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from ..errors import BundleError, RegistryError
from ..ir.bundle_head import read_head
from .catalogue_columns import COLUMNS, column_rows, output_rows
from .layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from ..ir.bundle_head import BundleHead
    from .catalog import Catalog
    from .records import Version

_LIBRARIES = {"sklearn": "scikit-learn", "onnx": "onnxruntime"}
"""Top folders of estimators that are packaged under another name."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A version as far as it can be read; ``problem`` says what cannot."""

    name: str
    number: int
    aliases: tuple[str, ...]
    record: Version | None
    head: BundleHead | None
    problem: str | None


def catalogue_tables(store: Catalog) -> dict[str, pa.Table]:
    """List all versions of a registry, and their columns, as tables for SQL.

    Only the heads of bundles are read, so hundreds of versions take a moment. What is damaged
    hides nothing else: its row says in ``problem`` what cannot be read.

    Returns
    -------
    dict
        ``models``, one row a version, by name and version; ``model_columns``, one row a version
        and column. :data:`~.catalogue_columns.COLUMNS` says what each column means. The same
        registry gives the same tables.

    Raises
    ------
    RegistryError
        If the registry's folders cannot be listed.
    """
    import pyarrow as pa

    models: list[dict[str, Any]] = []
    columns: list[dict[str, Any]] = []
    for found in _survey(Layout(store.path)):
        models.append(_model_row(found))
        columns += _column_rows(found)
    schemas = catalogue_schemas()
    return {
        "models": pa.Table.from_pylist(models, schema=schemas["models"]),
        "model_columns": pa.Table.from_pylist(columns, schema=schemas["model_columns"]),
    }


def catalogue_rows(version: Version, bundle: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give the rows of one version, whose bundle lies at a path: its own, and its columns'.

    Raises
    ------
    BundleError
        If the bundle is not whole.
    """
    head = read_head(bundle, version.digest)
    found = _Found(version.name, version.version, (), version, head, None)
    return _model_row(found), _column_rows(found)


def catalogue_schemas() -> dict[str, pa.Schema]:
    """Give the Arrow schema of each table of :func:`catalogue_tables`."""
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {"varchar": pa.string(), "bigint": pa.int64()}
    kinds |= {"double": pa.float64(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us")}
    return {
        table: pa.schema([(name, kinds[kind]) for name, kind, _ in columns])
        for table, columns in COLUMNS.items()
    }


def _survey(layout: Layout) -> Iterator[_Found]:
    for folder in layout.models():
        aliases, lost = _aliases(layout, folder)
        found = [
            _find(layout, folder, number, aliases.get(number, ()))
            for number in layout.versions(folder).numbers()
        ]
        # As the first version spells it; where no record can be read, the folder's name.
        spelling = next((each.record.name for each in found if each.record), folder)
        for each in found:
            problems = [*lost, *([each.problem] if each.problem else [])]
            problem = " ".join(" ".join(problems).split()) or None
            yield replace(each, name=spelling, problem=problem)


def _aliases(layout: Layout, folder: str) -> tuple[dict[int, tuple[str, ...]], list[str]]:
    """Give the aliases of each version, and what cannot be read of them."""
    aliases: dict[int, tuple[str, ...]] = {}
    lost: list[str] = []
    for name in layout.aliases(folder):
        try:
            head = layout.last_move(folder, name)
        except RegistryError as error:
            lost.append(str(error))
            continue
        if head is not None:
            aliases[head.version] = (*aliases.get(head.version, ()), head.alias)
    return aliases, lost


def _find(layout: Layout, folder: str, number: int, aliases: tuple[str, ...]) -> _Found:
    record = head = problem = None
    try:
        record = layout.read_version(folder, number)
        head = read_head(layout.bundle(record.digest), record.digest)
    except (RegistryError, BundleError) as error:
        problem = str(error)
    return _Found(folder, number, aliases, record, head, problem)


def _key(found: _Found) -> dict[str, Any]:
    reference = f"{found.name}:{found.number}"
    return {"model_name": found.name, "model_version": found.number, "reference": reference}


def _column_rows(found: _Found) -> list[dict[str, Any]]:
    if found.head is None:
        return []
    rows = [*column_rows(found.head), *output_rows(found.head)]
    return [_key(found) | {"position": i} | row for i, row in enumerate(rows, start=1)]


def _model_row(found: _Found) -> dict[str, Any]:
    record, head = found.record, found.head
    row: dict[str, Any] = {
        **_key(found),
        "aliases": ", ".join(sorted(found.aliases)),
        "problem": found.problem,
    }
    if record is not None:
        row |= {
            "sha256": record.digest,
            "created_at": record.created_at.astimezone(UTC).replace(tzinfo=None),
            "created_by": record.created_by,
            "description": record.description,
        }
    return row if head is None else row | _card_row(head)


def _card_row(head: BundleHead) -> dict[str, Any]:
    card = head.card
    estimator = _text(card.get("estimator"))
    library = estimator.split(".")[0] if estimator else None
    library = _LIBRARIES.get(library, library) if library else None
    certificate = _mapping(card.get("certificate"))
    training = _mapping(card.get("training"))
    classes = head.outputs.classes
    return {
        "library": library,
        "library_version": _text(_mapping(card.get("versions")).get(library or "")),
        "estimator": estimator,
        "task": "regression" if classes is None else "classification",
        "classes": None if classes is None else _json([str(label) for label in classes]),
        "input_columns": len(head.signature.columns),
        "certified_by": _text(certificate.get("reference")) or ("library" if certificate else None),
        "certified_rows": certificate.get("rows"),
        "largest_difference": certificate.get("largest_difference"),
        "certified_routes": ", ".join(map(str, certificate.get("routes") or ())) or None,
        "metrics": _json(dict(_mapping(card.get("metrics")))),
        "trained_on": _trained_on(card, training),
        "training_rows": training.get("rows"),
        "training_sha256": _text(training.get("sha256")),
        "git_commit": _text(card.get("git_commit")),
        "kept_whole": bool(card.get("kept_whole")),
    }


def _trained_on(card: Mapping[str, Any], training: Mapping[str, Any]) -> str | None:
    imported = _mapping(card.get("imported"))
    if imported:
        sha256 = str(imported.get("sha256", ""))[:12]
        return f"unknown: imported from {imported.get('from')}, sha256 {sha256}"
    if "rows" not in training:
        return None
    said = f"{training['rows']:,} rows, sha256 {str(training.get('sha256', ''))[:12]}"
    for name, profile in sorted(_mapping(training.get("columns")).items()):
        if profile.get("type") == "timestamp" and profile.get("min") is not None:
            said += f", {name} from {profile['min']} to {profile['max']}"
    return said


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
