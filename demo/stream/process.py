"""The worker as a process of its own, which the demo kills once and brings back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from ..errors import DemoError

if TYPE_CHECKING:
    from .folder import Folder

__all__ = ["Worker"]

_STOPPING = 30.0
_SHOWN = 20
_CLI = f"{__name__.partition('.demo.')[0]}.cli"


class Worker:
    """``foresql worker run``.

    Attributes
    ----------
    kills
        How often it was killed.
    """

    def __init__(self, folder: Folder) -> None:
        """Say which definition it runs."""
        self.kills = 0
        self._folder = folder
        self._log = folder.logs / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of its process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, or start it again."""
        command = [
            *(sys.executable, "-m", _CLI, "worker", "run"),
            *(str(self._folder.definition), "--registry", str(self._folder.registry)),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
                command,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """See that it runs.

        Raises
        ------
        DemoError
            If it ended by itself, with what it printed last.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            self._process = None
            lines = self._log.read_text("utf-8", "replace").splitlines()[-_SHOWN:]
            raise DemoError(f"The worker ended with code {code}:\n" + "\n".join(lines))

    def kill(self) -> None:
        """End it by SIGKILL: it can do nothing about it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.kills += 1

    def stop(self) -> None:
        """Let it finish the batch under way and end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
