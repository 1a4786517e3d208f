"""A view's newest snapshot, whatever keeps its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .manifest import Manifest
    from .view import FeatureView


class Rows(Protocol):
    """Where the rows of one snapshot are looked up."""

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look keys up."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a snapshot says of itself, and its rows."""

    manifest: Manifest
    kept: Rows


class SnapshotView:
    """A view whose snapshot is replaced as a whole, in one assignment."""

    __slots__ = ("_current", "is_local")

    def __init__(self, snapshot: Snapshot, *, is_local: bool) -> None:
        """Begin with a snapshot."""
        self._current = snapshot
        self.is_local = is_local

    @property
    def manifest(self) -> Manifest:
        """What the snapshot says of itself."""
        return self._current.manifest

    @property
    def view(self) -> FeatureView:
        """What it is now."""
        return self._current.manifest.view

    @property
    def rows(self) -> int:
        """How many entities it has now."""
        return self._current.manifest.rows

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look entities up in one snapshot."""
        return self._current.kept.get(keys)

    def look_up(
        self, keys: Sequence[tuple[Any, ...]]
    ) -> tuple[FeatureView, list[tuple[Any, ...] | None]]:
        """Look entities up in one snapshot, and say in which."""
        snapshot = self._current
        return snapshot.manifest.view, snapshot.kept.get(keys)

    def has_columns_of(self, newer: Manifest) -> bool:
        """Whether another snapshot has the same keys and columns, of these types, in this order."""
        old, new = self.view, newer.view
        return (old.keys, [*old.columns.items()]) == (new.keys, [*new.columns.items()])

    def move(self, newer: Snapshot) -> None:
        """Let a newer snapshot of the same columns answer from now on."""
        self._current = newer
