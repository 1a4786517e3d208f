"""One request reads one snapshot of each view, however often it asks for rows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .view import FeatureView

_ATTEMPTS = 5
_T = TypeVar("_T")


class SnapshotsRead:
    """Which snapshots a request has read."""

    __slots__ = ("_views",)

    def __init__(self) -> None:
        """Begin with none."""
        self._views: dict[str, FeatureView] = {}

    def note(self, view: FeatureView) -> None:
        """Note the snapshot that answered a lookup.

        Raises
        ------
        SnapshotMovedError
            If another one of the view answered before.
        """
        if self._views.setdefault(view.name, view) is not view:
            message = (
                f"The snapshot of {view.name} was replaced while a request read it, "
                f"{_ATTEMPTS} times.\n  What to do: ask again."
            )
            raise SnapshotMovedError(message)

    @property
    def as_of(self) -> dict[str, datetime]:
        """When the warehouse was read, by view."""
        return {name: view.as_of for name, view in self._views.items()}


class SnapshotMovedError(FeatureError):
    """Two lookups of one request would have been of two snapshots, which no batch query reads."""


def in_one_snapshot(answer: Callable[[SnapshotsRead], _T]) -> tuple[_T, SnapshotsRead]:
    """Answer a request; once more where a snapshot was replaced between two of its lookups.

    Raises
    ------
    SnapshotMovedError
        If that happens again and again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        read = SnapshotsRead()
        try:
            return answer(read), read
        except SnapshotMovedError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError
