"""The processes that ask, and how a run is shared out among them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .target import Target

_CLIENT = Path(__file__).with_name("client.py")


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: how many connections for how long, and requests a second, where they have times."""

    connections: int
    seconds: float
    rate: float | None = None


class Clients:
    """Processes that ask a target; they end with the block."""

    def __init__(self, count: int, target: Target, bodies: Sequence[bytes]) -> None:
        """Start them."""
        command = [sys.executable, "-P", str(_CLIENT)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
            for _ in range(count)
        ]
        requests = [base64.b64encode(target.request(body)).decode() for body in bodies]
        about = {"host": target.host, "port": target.port, "tls": target.is_tls}
        for number, process in enumerate(self._processes):
            begin = number * len(requests) // count
            self._tell(process, about | {"requests": requests[begin:] + requests[:begin]})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def run(self, plan: Plan) -> tuple[NDArray[np.float64], Counter[str], float]:
        """Give the seconds of each answer, what went wrong how often, and how long it took."""
        running = self._processes[: plan.connections]
        for number, process in enumerate(running):
            share = (plan.connections + number) // len(running)
            rate = plan.rate and plan.rate * share / plan.connections
            self._tell(process, {"connections": share, "seconds": plan.seconds, "rate": rate})
        found = [self._heard(process) for process in running]
        errors: Counter[str] = Counter()
        for about, _ in found:
            errors.update(about["errors"])
        taken = max(about["taken"] for about, _ in found)
        return np.concatenate([seconds for _, seconds in found]), errors, taken

    @staticmethod
    def _tell(process: subprocess.Popen[bytes], value: Any) -> None:
        if process.stdin is not None:
            process.stdin.write(json.dumps(value).encode() + b"\n")
            process.stdin.flush()

    @staticmethod
    def _heard(process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], NDArray[np.float64]]:
        line = process.stdout.readline() if process.stdout is not None else b""
        if not line or process.stdout is None:
            code = process.wait()
            raise ForesqlError(f"A process that asks the server ended with code {code}.")
        about = json.loads(line)
        content = process.stdout.read(about["answered"] * 8)
        return about, np.frombuffer(content, np.float64)
