"""Peers that need packages of their own: an environment for each, and a process that answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path
from threading import Timer
from typing import Any, Self

import numpy as np

from foresql.udfs.snowflake.artifact import PACKAGES

BENCHMARKS = Path(__file__).parents[1]
FOLDER = BENCHMARKS.parent / ".peers"
"""Where the environments stay between runs; safe to delete."""

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    # llvmlite 0.45 dropped what lleaves 1.3 calls first.
    "lleaves": ("lleaves>=1,<2", "llvmlite<0.45"),
    "treelite": ("treelite",),
    "tl2cgen": ("tl2cgen", "treelite"),
    # daal4py of that name on the index ends in 2024; this one brings it along.
    "onedal": ("scikit-learn-intelex", "lightgbm"),
    "onnxruntime": ("onnxruntime", "onnxmltools", "lightgbm"),
    "fastapi": ("fastapi", "uvicorn", "httptools", "uvloop", "lightgbm"),
    "quixstreams": (
        "quixstreams>=3,<4",
        f"duckdb=={version('duckdb')}",
        f"lightgbm=={version('lightgbm')}",
        "pyarrow",
    ),
    # With a later uvloop its worker process dies, and every answer is an error.
    "mlserver": ("mlserver", "mlserver-lightgbm", "uvloop<0.22"),
    # The model is fitted there too, from the same rows: the same version gives the same trees.
    "orbital": ("orbital", "duckdb", "pandas", f"scikit-learn=={version('scikit-learn')}"),
    # What runs in Snowflake: our handler's packages, and with LightGBM what Anaconda's package of
    # it brings along, and without.
    "snowflake": PACKAGES,
    "snowflake-lightgbm": (*PACKAGES, f"lightgbm=={version('lightgbm')}", "scikit-learn"),
    "snowflake-lightgbm-alone": (*PACKAGES, f"lightgbm=={version('lightgbm')}"),
}


class PeerError(Exception):
    """A peer could not be installed, refused the model, or ended."""


def python_of(peer: str) -> Path:
    """Give the interpreter of a peer's environment, which is made when there is none.

    Raises
    ------
    PeerError
        If pip fails.
    """
    requirements = REQUIREMENTS[peer]
    folder = FOLDER / peer
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "installed.json"
    wanted = json.dumps([sys.version, requirements])
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Installing {' '.join(requirements)} into {folder.relative_to(BENCHMARKS.parent)}")
    venv.create(folder, clear=True, with_pip=True)
    options = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:")
    command = [str(python), "-m", "pip", "install", *options, *requirements]
    done = subprocess.run(  # noqa: S603 - the interpreter that was just made
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        message = f"cannot be installed: {(errors or ['pip failed'])[-1]}"
        raise PeerError(message)
    stamp.write_text(wanted)
    return python


class Peer:
    """A process in a peer's environment, which loads a model and times itself."""

    def __init__(self, name: str, folder: Path) -> None:
        """Install what is missing, and start; ``folder`` is for files that go to and fro.

        Raises
        ------
        PeerError
            If the peer cannot be installed.
        """
        self.name = name
        self._folder = folder
        command = [str(python_of(name)), str(BENCHMARKS / "peer_worker" / "worker.py")]
        self._process = subprocess.Popen(  # noqa: S603 - a script of ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._process.communicate()

    def load(
        self, model: Path, *, threads: int = 1, limit: float = 150, **options: Any
    ) -> dict[str, Any]:
        """Load a model file, or rows that orbital fits; gives ``seconds`` and ``version``.

        Raises
        ------
        PeerError
            If the peer refuses the model, or is not done after ``limit`` seconds.
        """
        return self._ask(
            limit, do="load", peer=self.name, model=str(model), threads=threads, options=options
        )

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, which the clock then uses.

        Raises
        ------
        PeerError
            If the peer fails.
        """
        given, answers = (self._folder / f"{self.name}_{name}.npy" for name in ("rows", "answers"))
        np.save(given, rows)
        self._ask(60, do="predict", rows=str(given), to=str(answers))
        return np.load(answers)

    def clock(self) -> float:
        """Give the seconds that the last rows take, by the peer's own clock."""
        return self._ask(60, do="time")["seconds"]

    def _ask(self, limit: float, **request: Any) -> dict[str, Any]:
        timer = Timer(limit, self._kill)
        timer.start()
        line = self._exchange(json.dumps(request))
        late = timer.finished.is_set()
        timer.cancel()
        if not line:
            reason = f"not done after {limit:g} s"
            if not late:
                reason = f"its process ended with code {self._process.wait()}"
            message = f"{request['do']}: {reason}"
            raise PeerError(message)
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _kill(self) -> None:
        """End the process, and the compiler that it may have started."""
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _exchange(self, request: str) -> str:
        """Give the answer's line, or nothing once the process has ended."""
        given, answers = self._process.stdin, self._process.stdout
        if given is None or answers is None:
            return ""
        try:
            print(request, file=given, flush=True)
        except BrokenPipeError:
            return ""
        return answers.readline()
