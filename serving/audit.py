"""The audit log: one line of JSON for each request that was decided on."""

from __future__ import annotations

import logging
import os
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from ..errors import ForesqlError

if TYPE_CHECKING:
    from pathlib import Path

    from .http import Request

_LOG = logging.getLogger("foresql.serving")
_MODE = 0o640
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


class AuditLog:
    """Writes each line at once and whole: a kill loses none, and processes may share the file.

    When the file was renamed or removed, as log rotation does, the next look opens it anew.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, which is made if it is not there.

        Raises
        ------
        ForesqlError
            If it cannot be opened.
        """
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._failed = False
        try:
            self._file = _open(path)
            # Not by a method: the thread that looks for rotation may be at it.
            weakref.finalize(self, os.close, self._file)
        except OSError as error:
            message = f"The audit log {path} cannot be opened: {error.strerror}."
            raise ForesqlError(message) from error

    def write(self, request: Request, route: str, status: int, seconds: float) -> None:
        """Write who asked for what, and what came of it; never what was sent."""
        principal = getattr(request, "principal", None)
        served = getattr(request, "served", None)
        client = request.scope.get("client")
        line = {
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "principal": principal.name if principal else "",
            "client": client[0] if client else "",
            "method": request.scope["method"],
            "route": route,
            "model": served.name if served else "",
            "version": served.version if served else None,
            "asked": request.parameters.get("model", "")[:200],
            "status": status,
            "seconds": round(seconds, 6),
        }
        try:
            os.write(self._file, self._encoder.encode(line) + b"\n")
            self._failed = False
        except OSError as error:
            if not self._failed:
                _LOG.error("The audit log %s cannot be written: %s", self._path, error.strerror)
            self._failed = True

    def reopen(self) -> None:
        """Follow the path, where another file or none is there now."""
        try:
            there = self._path.stat()
            if os.path.samestat(there, os.fstat(self._file)):
                return
        except FileNotFoundError:
            pass
        except OSError:
            return
        try:
            opened = _open(self._path)
        except OSError as error:
            _LOG.error("The audit log %s cannot be opened: %s", self._path, error.strerror)
            return
        # The number stays the same, so a line that is being written goes to one file or the other.
        os.dup2(opened, self._file, inheritable=False)
        os.close(opened)


def _open(path: Path) -> int:
    return os.open(path, _FLAGS, _MODE)
