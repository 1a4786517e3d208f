"""One snapshot of each feature view for all that a request looks up."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from ..http import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...online import FeatureView, OnlineView

_ATTEMPTS = 5
Found = TypeVar("Found")


class OneSnapshot:
    """A view as one request sees it: the snapshot of its first lookup is that of all others."""

    __slots__ = ("_online", "_seen")

    def __init__(self, online: OnlineView) -> None:
        """Take the view."""
        self._online = online
        self._seen: FeatureView | None = None

    @property
    def view(self) -> FeatureView:
        """What it is: as it was looked up, or as it is now."""
        return self._seen or self._online.view

    @property
    def rows(self) -> int:
        """How many entities it has."""
        return self._online.rows

    @property
    def is_local(self) -> bool:
        """Whether a lookup asks no other machine."""
        return self._online.is_local

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look entities up."""
        return self.look_up(keys)[1]

    def look_up(
        self, keys: Sequence[tuple[Any, ...]]
    ) -> tuple[FeatureView, list[tuple[Any, ...] | None]]:
        """Look entities up, and say in which snapshot.

        Raises
        ------
        SwappedError
            If another one was swapped in since the first lookup.
        """
        view, found = self._online.look_up(keys)
        if self._seen is None:
            self._seen = view
        elif self._seen is not view:  # each snapshot has a description of its own
            raise SwappedError(view.name)
        return view, found


class SwappedError(Exception):
    """A snapshot was swapped in while a request looked up."""


def in_one_snapshot(
    views: Mapping[str, OnlineView], run: Callable[[Mapping[str, OnlineView]], Found]
) -> Found:
    """Do something that looks up, again where a snapshot is swapped in meanwhile.

    Raises
    ------
    Refusal
        If that happens time after time (503).
    """
    name = ""
    for _ in range(_ATTEMPTS):
        try:
            return run({name: OneSnapshot(online) for name, online in views.items()})
        except SwappedError as error:
            name = str(error)
    message = f"The snapshots of {name} go as they come. Send the request again."
    raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, (b"retry-after", b"1"))
