"""What a worker is given by its supervisor, and how the two speak.

The worker inherits the sockets that are listened to, the shared file, and one end of a pair of
sockets. There it says lines of JSON: that it has loaded, what it serves, or why it cannot. It is
told one line, that it may begin. When its supervisor is gone, it reads the end, and ends as at
SIGTERM.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from .shared import Shared

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT = "FORESQL_SERVE_WORKER"

LOADED, SERVES, FAILED = "loaded", "serves", "failed"
GO = b"go\n"


@dataclass(frozen=True, slots=True)
class Handover:
    """Numbers of what is inherited.

    Attributes
    ----------
    slot, processes
        Which of how many workers this is, from 0.
    listening
        Sockets that are bound to the address of HTTP; who listens first makes them listen.
    control
        The worker's end of the pair.
    shared
        The file of :mod:`.shared`; its last area is the supervisor's.
    """

    slot: int
    processes: int
    listening: tuple[int, ...]
    control: int
    shared: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that is inherited."""
        return (*self.listening, self.control, self.shared)

    def environment(self) -> dict[str, str]:
        """Say it to a worker."""
        return {ENVIRONMENT: json.dumps(asdict(self))}

    @classmethod
    def received(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Give what this process was given; None where it has no supervisor."""
        text = environment.get(ENVIRONMENT)
        if text is None:
            return None
        given = json.loads(text)
        return cls(**(given | {"listening": tuple(given["listening"])}))


class Worker:
    """A worker's side."""

    def __init__(self, handover: Handover) -> None:
        """Take over what is inherited."""
        self.handover = handover
        self.control = socket.socket(fileno=handover.control)
        self.sockets = [socket.socket(fileno=number) for number in handover.listening]
        self.shared = Shared(handover.shared, handover.processes + 1, handover.slot)

    def wait_to_begin(self) -> None:
        """Say that all is loaded, and wait until the worker may take requests.

        Raises
        ------
        SystemExit
            If the supervisor is gone.
        """
        self._say(LOADED, None)
        if self.control.recv(len(GO)) != GO:
            raise SystemExit(1)
        self.control.setblocking(False)

    def serves(self, described: Any) -> None:
        """Say that requests are answered, and by what."""
        self._say(SERVES, described)

    def failed(self, reason: str) -> None:
        """Say why the worker cannot serve."""
        self._say(FAILED, reason)

    def _say(self, what: str, value: Any) -> None:
        self.control.sendall(json.dumps([what, value]).encode() + b"\n")
