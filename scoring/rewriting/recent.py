"""What was made of models before, for queries that are asked again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """An object as a part of a key: it equals itself alone, and is held so that it stays."""

    held: object

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same object."""
        return isinstance(other, Same) and self.held is other.held

    def __hash__(self) -> int:
        """Give the object's own number."""
        return id(self.held)


class Recent(Generic[Value]):
    """The values of the last keys that were asked for, in this process."""

    def __init__(self, most: int) -> None:
        """Hold at most so many."""
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, key: object) -> bool:
        """Whether a value is there."""
        return key in self._values

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Give the value of a key, made now if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
