"""Servers as processes, and wrk, which asks them: from the system, or from Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .environments import FOLDER, PeerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")
SERVER_CORE, CLIENT_CORE = 0, 1
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_START_SECONDS = 60
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open(os.getenv("LOAD_BODY"), "rb"):read("*a")
if os.getenv("LOAD_KEY") then
    wrk.headers["Authorization"] = "Bearer " .. os.getenv("LOAD_KEY")
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of wrk says: the median latency, and the seconds of one of many requests."""

    p50: float
    seconds_each: float


class Wrk:
    """The load generator, which is fetched when there is none."""

    def __init__(self, folder: Path) -> None:
        """Find or fetch it; ``folder`` is for its script.

        Raises
        ------
        PeerError
            If it is not there, and there are no packages to take it from.
        """
        self._script = folder / "post.lua"
        self._script.write_text(_SCRIPT)
        found = shutil.which("wrk")
        self._command = found or str(_fetched() / "usr/bin/wrk")
        libraries = (str(path) for path in (FOLDER / "wrk/root/usr/lib").glob("*-linux-gnu"))
        self._environment = os.environ | ({} if found else {"LD_LIBRARY_PATH": ":".join(libraries)})

    def post(
        self, url: str, body: Path, *, connections: int, seconds: int, key: str | None = None
    ) -> Load:
        """Send the same body again and again, with a key where there is one.

        Raises
        ------
        PeerError
            If an answer is an error, or there is none.
        """
        command = [self._command, "--latency", "-t1", f"-c{connections}", f"-d{seconds}s"]
        done = subprocess.run(  # noqa: S603 - a command of ours
            [*command, "-s", str(self._script), url],
            env=self._environment
            | {"LOAD_BODY": str(body)}
            | ({} if key is None else {"LOAD_KEY": key}),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: pin(CLIENT_CORE),
        )
        p50 = re.search(r"50%\s+([\d.]+)(us|ms|s)", done.stdout)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        if p50 is None or rate is None or "Non-2xx" in done.stdout or "errors" in done.stdout:
            raise PeerError(f"wrk says: {(done.stdout + done.stderr).strip()[-200:]}")
        return Load(float(p50[1]) * _UNITS[p50[2]], 1 / float(rate[1]))


def pin(core: int) -> None:
    """Keep this process on a core, so that server and client do not take each other's."""
    if sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


@contextmanager
def server(
    command: Sequence[str],
    ready: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    pinned: bool = True,
) -> Iterator[None]:
    """Run a server until the block ends; it has begun when ``ready`` answers.

    ``pinned`` keeps it on one core; a server of several processes gets all.

    Raises
    ------
    PeerError
        If it ends, or does not answer in time.
    """
    log = folder / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603 - a command of ours
            command,
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | dict(environment or {}),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            preexec_fn=(lambda: pin(SERVER_CORE)) if pinned else None,  # noqa: PLW1509 - it calls the system alone
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(ready, timeout=5):  # noqa: S310 - an address of ours
                return
        except OSError:  # nobody listens, or the answer is an error
            pass
        time.sleep(0.1)
    raise PeerError(f"the server does not start: {log.read_text()[-200:]}")


def _fetched() -> Path:
    """Unpack the packages into ``.peers/wrk``, without root, and give the folder."""
    root = FOLDER / "wrk" / "root"
    if (root / "usr/bin/wrk").exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise PeerError("there is no wrk: install it")
    folder = FOLDER / "wrk"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _run(["apt-get", "--quiet", "download", *PACKAGES], folder)
        for package in folder.glob("*.deb"):
            _run(["dpkg-deb", "--extract", str(package), str(root)], folder)
    except subprocess.CalledProcessError as error:
        raise PeerError(f"wrk cannot be fetched: apt-get update, or install it: {error}") from error
    return root


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603 - ours
