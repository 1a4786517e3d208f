"""A queue that a request puts rows into without waiting, and that drops what it has no room for."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Protocol, TypeVar


class Weighed(Protocol):
    """What can be queued: some rows, and the bytes that they take."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def weight(self) -> int:
        """How many bytes they take, about."""
        ...


Item = TypeVar("Item", bound=Weighed)


class BoundedQueue(Generic[Item]):
    """Bounded by rows and bytes. Any thread may put, and one takes.

    Nobody is woken: the one who takes looks now and then, for waking a thread costs a request more
    than all else that it does here.
    """

    def __init__(self, rows: int, size: int) -> None:
        """Begin with nothing; ``size`` is in bytes."""
        self._most_rows = rows
        self._most_bytes = size
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self.rows = 0
        self.bytes = 0
        self.dropped = 0

    def put(self, item: Item) -> bool:
        """Queue rows, or drop and count them where there is no room."""
        rows, weight = item.rows, item.weight
        with self._lock:
            has_room = (
                self.rows + rows <= self._most_rows and self.bytes + weight <= self._most_bytes
            )
            if not has_room:
                self.dropped += rows
                return False
            self.rows += rows
            self.bytes += weight
            self._items.append(item)
        return True

    def take(self, rows: int) -> list[Item]:
        """Take the oldest: at least one if there is any, and no more than so many rows.

        What was taken still counts as held until :meth:`release`.
        """
        taken: list[Item] = []
        while self._items and (not taken or rows >= self._items[0].rows):
            taken.append(self._items.popleft())
            rows -= taken[-1].rows
        return taken

    def release(self, items: list[Item]) -> None:
        """Make room again, once the taken ones are dealt with."""
        with self._lock:
            self.rows -= sum(item.rows for item in items)
            self.bytes -= sum(item.weight for item in items)
