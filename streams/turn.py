"""Turns: which process may open a database file to write, where several want to.

DuckDB keeps a second process out, and tells nobody when the first one has left. So each of ours
locks ``FILE.turn`` before it opens the file, and lets go of that when the file is closed. Who waits
stands in a queue, of which it holds the head by a lock on ``FILE.wanted``: so the one that has the
turn sees that it is wanted, and does not take the next one itself. The kernel drops the locks of
who dies. One that is stopped keeps the head, so who has waited for long passes by the queue. Both
files stay, since a lock on a file that was taken away is none.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path

from ..errors import StreamError

_TURN, _WANTED = ".turn", ".wanted"
_UNIX = ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")  # Windows has none of them
_FLAGS = reduce(or_, (getattr(os, name, 0) for name in _UNIX), os.O_RDWR | os.O_CREAT)
_MOST_NAME = 300
"""Bytes that are read of who has the turn."""
_LONG = 5.0
"""After so many seconds the head of the queue may be one that is stopped."""


@dataclass(slots=True)
class _Held:
    """A turn that this process has, and how many in it share it, where they share the database."""

    turn: int
    wanted: int
    is_shared: bool
    shares: int = 1


@dataclass(slots=True, eq=False)
class _Queue:
    """A place in a queue."""

    descriptor: int


_held: dict[str, _Held] = {}
_queues: set[_Queue] = set()
_guard = threading.Lock()


@dataclass(slots=True)
class Turn:
    """One that wants to open a database file, waits for that, or has it.

    Attributes
    ----------
    path
        The file.
    is_shared
        Whether others of the process that say so too have the turn at the same time.
    """

    path: Path
    is_shared: bool = True
    _held: _Held | None = field(default=None, init=False)
    _queue: _Queue | None = field(default=None, init=False)
    _since: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Find the file behind links: by each of its names it is one."""
        self.path = Path(os.path.realpath(self.path))

    def take(self) -> bool:
        """Take the turn, or stand in the queue for it; say whether it is taken.

        Raises
        ------
        StreamError
            If the files beside the database cannot be opened or locked.
        """
        with _guard:
            held = _held.get(str(self.path))
            if held is not None and held.is_shared and self.is_shared:
                held.shares += 1
            else:
                is_next = self._stand_in_queue() or self._has_waited_long()
                held = self._begin() if is_next else None
        self._held = held
        if held is not None:
            self._leave_queue()
        elif self._since is None:
            self._since = time.monotonic()
        return held is not None

    def give_back(self) -> None:
        """Let go of the turn, or of the place in the queue."""
        self._leave_queue()
        held, self._held = self._held, None
        with _guard:
            # One that this process was forked from has what is not among its own.
            if held is None or _held.get(str(self.path)) is not held:
                return
            held.shares -= 1
            if not held.shares:
                del _held[str(self.path)]
                with suppress(OSError):  # nobody has it until the next one says so
                    os.ftruncate(held.turn, 0)
                _close(held.turn)
                _close(held.wanted)

    def is_wanted(self) -> bool:
        """Whether somebody waits for the turn that this one has."""
        with _guard:
            held = self._held
            if held is None or _held.get(str(self.path)) is not held:
                return False
            try:
                if not try_lock(held.wanted):
                    return True
                _unlock(held.wanted)
            except OSError:  # such as one of a network's server: to let go is never wrong
                return True
            return False

    def holder(self) -> str:
        """Say who has the turn, as far as that is known."""
        try:
            with self._beside(_TURN).open("rb") as file:
                said = file.read(_MOST_NAME).decode(errors="replace")
        except OSError:
            said = ""
        return said if said.isprintable() and said else "another process"

    def _stand_in_queue(self) -> bool:
        # One that this process was forked from has what is not among its own.
        if self._queue is None or self._queue not in _queues:
            self._queue = _Queue(self._open(_WANTED))
            _queues.add(self._queue)
        return self._try(_WANTED, self._queue.descriptor)

    def _has_waited_long(self) -> bool:
        return self._since is not None and time.monotonic() - self._since >= _LONG

    def _begin(self) -> _Held | None:
        turn = self._open(_TURN)
        try:
            if not self._try(_TURN, turn):
                os.close(turn)
                return None
            os.ftruncate(turn, 0)
            os.write(turn, f"PID {os.getpid()} on {socket.gethostname()}".encode())
            os.lseek(turn, 0, os.SEEK_SET)  # where Windows looks for the lock
            wanted = self._open(_WANTED)
        except BaseException:
            os.close(turn)
            raise
        held = _held[str(self.path)] = _Held(turn, wanted, self.is_shared)
        return held

    def _leave_queue(self) -> None:
        self._since = None
        queue, self._queue = self._queue, None
        if queue is not None and queue in _queues:
            _queues.discard(queue)
            _close(queue.descriptor)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}{suffix}")

    def _open(self, suffix: str) -> int:
        try:
            return os.open(self._beside(suffix), _FLAGS, 0o666)
        except OSError as error:
            raise self._unusable(suffix, error) from error

    def _try(self, suffix: str, descriptor: int) -> bool:
        try:
            return try_lock(descriptor)
        except OSError as error:
            raise self._unusable(suffix, error) from error

    def _unusable(self, suffix: str, error: OSError) -> StreamError:
        return StreamError(
            f"The file {self._beside(suffix)}, by which processes take turns with "
            f"{self.path.name}, cannot be locked: {error.strerror}.\n"
            "  What to do: see that the folder is there, that this user may write to it and to "
            "that file, and that the file system has locks. Nothing was written."
        )


def try_lock(descriptor: int) -> bool:
    """Lock a file, unless another one has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _close(descriptor: int) -> None:
    """Unlock it too: a process that was forked from this one may have it open still."""
    with suppress(OSError):
        _unlock(descriptor)
    os.close(descriptor)


def _forget() -> None:
    """Have no turn, and wait for none, in a process that was forked from one that does."""
    global _guard  # noqa: PLW0603 - a thread that is not there may have it
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.turn)
        os.close(held.wanted)
    for queue in _queues:
        os.close(queue.descriptor)
    _held.clear()
    _queues.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
