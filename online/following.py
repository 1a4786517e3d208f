"""A place of snapshots, followed: a view's newest answers, and a broken one replaces nothing."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ..errors import FeatureError
from .view import ViewStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from .snapshots import Snapshot, SnapshotView

RETRY_SECONDS = 30.0
"""How long a snapshot that could not be taken over is left alone, unless it changes."""


class FollowingStore(ABC):
    """The views of a place, which says what is there and opens it."""

    def __init__(self) -> None:
        """Begin with no views."""
        self._views: dict[str, SnapshotView] = {}
        self._problems: dict[str, str] = {}
        self._seen: dict[str, object] = {}
        self._again: dict[str, float] = {}
        self._refreshing = threading.Lock()

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the snapshots are."""

    @abstractmethod
    def _states(self) -> Mapping[str, object]:
        """Give what is there, by view: another state is another snapshot."""

    @abstractmethod
    def _snapshot(self, name: str, state: object) -> Snapshot:
        """Open a view's snapshot."""

    @abstractmethod
    def _view(self, snapshot: Snapshot) -> SnapshotView:
        """Make a view that is new."""

    @property
    def views(self) -> Mapping[str, SnapshotView]:
        """The views by name."""
        return self._views

    @property
    def problems(self) -> Mapping[str, str]:
        """By view, why its newest snapshot is not read."""
        return self._problems

    def refresh(self) -> None:
        """Look for newer snapshots and take them over.

        Raises
        ------
        FeatureError
            If the place cannot be read.
        """
        with self._refreshing:
            there = self._states()
            for name in (self._views.keys() | self._problems.keys()) - there.keys():
                is_view = name in self._views
                self._note(name, f"{name} is gone from {self.location}" if is_view else None)
                self._seen.pop(name, None)
                self._again.pop(name, None)
            for name, state in there.items():
                is_due = time.monotonic() >= self._again.get(name, math.inf)
                if is_due or state != self._seen.get(name):
                    self._take_over(name, state)

    def status(self) -> list[ViewStatus]:
        """Say which snapshots answer."""
        return [ViewStatus(name, v.view.as_of, v.rows) for name, v in self._views.items()]

    def close(self) -> None:
        """Forget all snapshots: what one holds is let go when no lookup uses it any more."""
        self._views = {}
        self._seen = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, name: str, problem: str | None) -> None:
        # A new dictionary, since another thread may be reading the old one.
        noted = {**self._problems, name: problem}
        self._problems = {view: text for view, text in noted.items() if text is not None}

    def _take_over(self, name: str, state: object) -> None:
        """Take a snapshot over; one that cannot be is tried again later, for it may come right."""
        problem = self._taken(name, state)
        self._note(name, problem)
        self._seen[name] = state
        if problem is None:
            self._again.pop(name, None)
        else:
            self._again[name] = time.monotonic() + RETRY_SECONDS

    def _taken(self, name: str, state: object) -> str | None:
        """Let a newer snapshot answer, or say why it cannot."""
        current = self._views.get(name)
        try:
            snapshot = self._snapshot(name, state)
        except FeatureError as error:
            return str(error)
        if current is None or not current.has_columns_of(snapshot.manifest):
            # Who reads the view of before was made for its columns, and keeps it as it is.
            self._views = {**self._views, name: self._view(snapshot)}
        else:
            current.move(snapshot)
        return None
