"""The model card, as a report shows it: what answers, and why it can be believed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..registry import Catalog, Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..scoring.models import OpenModel


@dataclass(frozen=True, slots=True)
class Card:
    """One version's card. ``moved_at`` and ``moved_by`` are of the alias that was asked for."""

    name: str
    version: int | None
    reference: str
    aliases: tuple[str, ...]
    moved_at: str
    moved_by: str
    description: str
    estimator: str
    task: str
    created_at: str
    created_by: str
    git_commit: str
    digest: str
    training_rows: int | None
    metrics: Mapping[str, float]
    certified_rows: int
    largest_difference: float
    labels_identical: bool
    routes: tuple[str, ...]
    versions: Mapping[str, str]
    columns: int

    def as_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return asdict(self)


def read_card(opened: OpenModel, reference: str, registry: Path | None, task: str) -> Card:
    """Read a version's card, and where its aliases stand."""
    card: Mapping[str, Any] = opened.bundle.card
    certificate: Mapping[str, Any] = card.get("certificate") or {}
    training = card.get("training") or {}
    aliases, moved_at, moved_by = _aliases(opened, reference, registry)
    return Card(
        name=opened.name,
        version=opened.version,
        reference=reference,
        aliases=aliases,
        moved_at=moved_at,
        moved_by=moved_by,
        description=str(card.get("description") or ""),
        estimator=str(card.get("estimator") or (card.get("imported") or {}).get("from") or ""),
        task=task,
        created_at=str(card.get("created_at") or ""),
        created_by=str(card.get("created_by") or ""),
        git_commit=str(card.get("git_commit") or ""),
        digest=opened.bundle.digest,
        training_rows=training.get("rows"),
        metrics={str(key): float(value) for key, value in (card.get("metrics") or {}).items()},
        certified_rows=int(certificate.get("rows") or 0),
        largest_difference=float(certificate.get("largest_difference") or 0.0),
        labels_identical=bool(certificate.get("labels_identical")),
        routes=tuple(map(str, certificate.get("routes") or ())),
        versions={str(key): str(value) for key, value in (card.get("versions") or {}).items()},
        columns=len(opened.bundle.model.signature.columns),
    )


def _aliases(
    opened: OpenModel, reference: str, registry: Path | None
) -> tuple[tuple[str, ...], str, str]:
    if opened.version is None or registry is None:
        return (), "", ""
    store: Catalog = Registry.open(registry)
    moves = store.aliases(opened.name)
    mine = tuple(sorted(alias for alias, move in moves.items() if move.version == opened.version))
    asked = parse_reference(reference).alias
    move = moves.get(asked) if asked else None
    if move is None:
        return mine, "", ""
    return mine, move.moved_at.isoformat(timespec="seconds"), move.moved_by
