"""A MariaDB of its own for tests: from the system, or from Debian's packages, without root.

The packages are unpacked into ``.peers/mariadb`` of the clone (9 MB to fetch, once). The server
listens on a socket in a temporary folder, with no network and no users.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = ("mariadb-server-core", "mariadb-client-core")
FOLDER = Path(__file__).parents[2] / ".peers" / "mariadb"
HOW = (
    "MariaDB is not there, and apt-get cannot fetch it: apt-get update && apt-get install "
    + " ".join(PACKAGES)
)
_QUICK = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10")
_SECONDS = 30
_PR_SET_PDEATHSIG = 1


class MissingError(Exception):
    """There is no MariaDB; the message says how to get one."""


class ServerError(Exception):
    """The server ended a statement; the message is its own."""


class Server:
    """A server that runs until :meth:`stop`."""

    def __init__(self) -> None:
        """Start it, which takes a second.

        Raises
        ------
        MissingError
            If there are no programs, and no packages to take them from.
        """
        root = _found()
        libraries = [root / each for each in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
        libraries += [root / each for each in ("usr/lib/aarch64-linux-gnu", "usr/lib")]
        self._environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
        if root == Path("/"):
            self._environment = {**os.environ}
        self.folder = Path(tempfile.mkdtemp(prefix="foresql_mariadb_"))
        self._client = [str(root / "usr/bin/mariadb"), "--no-defaults", *self._socket]
        for name in ("data", "tmp"):
            (self.folder / name).mkdir()
        self._log = (self.folder / "log").open("w")
        self._process = subprocess.Popen(
            self._command(root),
            stdout=self._log,
            stderr=self._log,
            env=self._environment,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - it calls nothing of Python's
        )
        self._wait()
        self.script("CREATE DATABASE probes")

    @property
    def _socket(self) -> list[str]:
        return [f"--socket={self.folder / 'socket'}"]

    def _command(self, root: Path) -> list[str]:
        owner = ["--user=root"] if os.geteuid() == 0 else []
        return [
            str(root / "usr/sbin/mariadbd"), "--no-defaults", *owner, *self._socket,
            f"--basedir={root / 'usr'}", f"--lc-messages-dir={root / 'usr/share/mysql'}",
            f"--datadir={self.folder / 'data'}", f"--tmpdir={self.folder / 'tmp'}",
            f"--pid-file={self.folder / 'pid'}", "--skip-networking", "--skip-grant-tables",
            "--innodb=OFF", "--default-storage-engine=MyISAM",
        ]  # fmt: skip

    def _wait(self) -> None:
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self._run("SELECT 1", [])
            except ServerError:
                time.sleep(0.1)
            else:
                return
        raise MissingError(f"MariaDB does not start: {(self.folder / 'log').read_text()[-500:]}")

    def script(self, text: str) -> list[list[str | None]]:
        """Run statements in one session, and give the rows of the last, their names first."""
        return [
            [_unescaped(cell) for cell in line.split("\t")]
            for line in self._run(text, ["--database=probes"] * ("CREATE DATABASE" not in text))
        ]

    def _run(self, text: str, options: list[str]) -> list[str]:
        command = [*self._client, "--batch", "--default-character-set=utf8mb4", *options]
        command += ["--max-allowed-packet=1G"]
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, env=self._environment, check=False
        )
        if done.returncode:
            raise ServerError(done.stderr.decode(errors="replace"))
        return done.stdout.decode().split("\n")[:-1]

    def stop(self) -> None:
        """End the server and remove its files."""
        self._process.terminate()
        self._process.wait(_SECONDS)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _end_with_parent() -> None:
    """Let Linux end the server when this process ends, in whatever way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _unescaped(cell: str) -> str | None:
    if cell == "NULL":
        return None
    escapes = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\0": "\0"}
    parts = cell.split("\\\\")
    for written, meant in list(escapes.items())[1:]:
        parts = [part.replace(written, meant) for part in parts]
    return "\\".join(parts)


def _found() -> Path:
    """Give the folder in which ``usr/sbin/mariadbd`` is."""
    if Path("/usr/sbin/mariadbd").exists() and Path("/usr/bin/mariadb").exists():
        return Path("/")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / "complete").exists():
            _fetch()
            (FOLDER / "complete").touch()
    return FOLDER / "root"


def _fetch() -> None:
    """Unpack the packages and what they need and the system lacks."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise MissingError(HOW)
    debs = FOLDER / "debs"
    debs.mkdir(exist_ok=True)
    try:
        plan = _apt(["install", "--simulate", "--no-install-recommends", *PACKAGES], debs)
        names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
        _apt(["download", *names], debs)
        for package in debs.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, FOLDER / "root"], check=True)
    except subprocess.CalledProcessError as error:
        raise MissingError(f"{HOW}\n{error.stderr}") from error


def _apt(words: list[str], folder: Path) -> str:
    command = ["apt-get", "--quiet", "--yes", *_QUICK, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout
