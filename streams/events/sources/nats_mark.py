"""When a stream was made, kept beside the positions: it tells one from another of its name.

A stream that is deleted and made anew begins to count anew. As soon as it has more messages than
were read of the old one, its numbers alone would not tell.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ....errors import StreamError
from ..records import Move

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..records import Offset

_NANOSECONDS, _DIGITS = 10**9, 9


class StreamMark:
    """The mark of a stream: a position of its own, which moves with the first batch.

    Attributes
    ----------
    name
        What it is called among the partitions.
    """

    def __init__(self, stream: str, *, is_same: bool) -> None:
        """Name it; ``is_same`` takes a stream that was made anew for the one before."""
        self.name = f"{stream} created"
        self._stream, self._is_same = stream, is_same
        self._created = 0
        self._move: Move | None = None

    def found(self, created: str) -> None:
        """Take when the stream was made, as the server says it."""
        self._created = nanoseconds(created)

    def check(self, stored: Offset | None) -> None:
        """Hold the stream against the one that positions are of.

        Raises
        ------
        StreamError
            If it is another one.
        """
        if stored not in {None, self._created} and not self._is_same:
            message = (
                f"The stream {self._stream} was made at {_told(self._created)}, and what was "
                f"scored came from one that was made at {_told(stored)}: it was deleted and made "
                "anew. Its numbers would mean other events than those scored.\n  What to do: give "
                "the worker another name in its definition and another table, and it begins anew. "
                "If the stream has the same messages under the same numbers, as a copy that was "
                "brought back, say so once: foresql worker run FILE --same-stream."
            )
            raise StreamError(message)
        self._move = None if stored == self._created else Move(stored, self._created)

    def moves(self) -> Mapping[str, Move]:
        """Give the move of the mark, once after each check that found another one, or none."""
        move, self._move = self._move, None
        return {} if move is None else {self.name: move}


def nanoseconds(written: str) -> int:
    """Read a time as the server writes it, with up to nine digits: nanoseconds since 1970."""
    whole, _, fraction = written.removesuffix("Z").partition(".")
    try:
        seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
        return seconds * _NANOSECONDS + int(fraction.ljust(_DIGITS, "0")[:_DIGITS])
    except ValueError as error:
        message = f"The server says that the stream was made at {written[:40]!r}, which is no time."
        raise StreamError(message) from error


def _told(created: Offset | None) -> str:
    seconds, rest = divmod(int(created or 0), _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:09d} UTC"
