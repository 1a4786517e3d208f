"""Snowflake's Python as far as it is documented: a clean environment that runs the shipped zip.

The environment has the pinned packages and nothing else. It is made once, in ``.peers/snowflake``.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foresql.udfs.snowflake.artifact import PACKAGES, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foresql.udfs.snowflake.artifact import Artifact

FOLDER = Path(__file__).parents[2] / ".peers" / "snowflake"
SANDBOX = Path(__file__).with_name("snowflake_sandbox.py")
_PIP = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:")


@dataclass(frozen=True)
class Column:
    """An argument's values, and the dtype in which they arrive; None is NULL."""

    dtype: str
    values: list[Any]


@dataclass(frozen=True)
class Call:
    """A batch for one function, cut into parts of these sizes, or not at all."""

    artifact: Artifact
    entry: str
    columns: Sequence[Column]
    parts: Sequence[int] = ()
    index: str = "slices"


@dataclass(frozen=True)
class Run:
    """What a process said: an answer a call (values, or an error), and what it had loaded."""

    answers: list[dict[str, Any]]
    facts: dict[str, Any] = field(default_factory=dict)


def python() -> Path:
    """Give the interpreter of the environment, which is made when there is none.

    Raises
    ------
    RuntimeError
        If this Python is another than the runtime's, or pip fails.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" < RUNTIME:
        raise RuntimeError(f"Snowflake's runtime is Python {RUNTIME}, and this is {sys.version}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps([sys.version, PACKAGES])
    stamp = FOLDER / "installed.json"
    with (FOLDER.parent / "snowflake.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            venv.create(FOLDER, clear=True, with_pip=True)
            command = [str(FOLDER / "bin/python"), "-m", "pip", "install", *_PIP, *PACKAGES]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(PACKAGES)} cannot be installed: {done.stderr}")
            stamp.write_text(wanted)
    return FOLDER / "bin/python"


def run_calls(  # noqa: PLR0913 - keyword options of one process
    calls: Sequence[Call],
    folder: Path,
    *,
    workers: int = 2,
    threads: int = 1,
    form: str = "zip",
    hook: bool = True,
) -> Run:
    """Run calls in one process, which forks workers after its modules are imported.

    Parameters
    ----------
    folder
        An empty one, which becomes Snowflake's import directory.
    workers, threads
        How many processes share the calls, and how many threads of each.
    form
        ``zip`` puts the archive on the path; ``unpacked`` its files, so that no loader finds the
        model; ``inline`` runs the body of the function.
    hook
        Whether this Snowflake has ``udf_init_once``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in {call.artifact.digest: call.artifact for call in calls}.values():
        (folder / artifact.file_name).write_bytes(artifact.content)
        if form == "inline":
            (folder / f"body_{artifact.module}.py").write_text(artifact.inline or "")
    job = {"workers": workers, "threads": threads, "form": form, "hook": hook}
    job["calls"] = [_as_json(call) for call in calls]
    (folder / "job.json").write_text(json.dumps(job))
    command = [
        *(str(python()), "-I", "-X", f"snowflake_import_directory={folder}"),
        *(str(SANDBOX), str(folder)),
    ]
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OMP", "OPEN"))
    }
    environment["TMPDIR"] = str(folder)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    said = json.loads((folder / "answers.json").read_text())
    return Run(said["answers"], said["facts"])


def _as_json(call: Call) -> dict[str, Any]:
    columns = [{"dtype": column.dtype, "values": column.values} for column in call.columns]
    return {
        "module": call.artifact.module,
        "entry": call.entry,
        "columns": columns,
        "parts": list(call.parts),
        "index": call.index,
    }
