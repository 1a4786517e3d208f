"""dbt as a process of its own: inside this one it would keep the database file locked."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..scheduling.dbt_process import DBT
from .errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .workspace import Workspace

__all__ = ["DbtRun", "install_packages", "run_dbt"]

FINISHED_NODE = re.compile(r"^\S+  (\d+) of (\d+) (?!START)")
SHOWN_LINES = 30


@dataclass(frozen=True, slots=True)
class DbtRun:
    """A dbt run that went well."""

    invocation_id: str
    """What the rows that it scored carry as `run_id`."""
    node_seconds: dict[str, float]
    """Seconds of each node, by its unique id."""


def run_dbt(
    workspace: Workspace,
    title: str,
    *arguments: str,
    progress: Callable[[int, int], None] | None = None,
) -> DbtRun:
    """Run one dbt command on the workspace's project.

    Parameters
    ----------
    workspace
        Its database and registry are what the project reads.
    title
        Name of the log file in the workspace's `logs`.
    *arguments
        The command and its options, such as `"build", "--full-refresh"`.
    progress
        Told how many nodes of how many are finished.

    Raises
    ------
    DemoError
        dbt failed; the message ends with the last lines that it printed.
    """
    call_dbt(workspace, title, *arguments, progress=progress)
    return read_results(workspace)


def install_packages(workspace: Workspace) -> None:
    """Let the project find the package that lies in its own folder; this needs no network.

    Raises
    ------
    DemoError
        dbt failed.
    """
    call_dbt(workspace, "install_packages", "deps")


def call_dbt(
    workspace: Workspace,
    title: str,
    *arguments: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    log = workspace.logs / f"{title}.log"
    project = str(workspace.project)
    command = [
        *DBT,
        *arguments,
        *("--project-dir", project, "--profiles-dir", project, "--no-use-colors"),
    ]
    environment = os.environ | {
        "FORESQL_DATABASE": str(workspace.database),
        "FORESQL_REGISTRY": str(workspace.registry),
        # Where a user's own settings would put them elsewhere, they would not be found below.
        "DBT_TARGET_PATH": "target",
        "PYTHONUNBUFFERED": "1",
    }
    with (
        log.open("w") as written,
        subprocess.Popen(  # noqa: S603 - this interpreter, with our own arguments
            command,
            cwd=workspace.project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            written.write(line)
            if progress and (match := FINISHED_NODE.match(line)):
                progress(int(match[1]), int(match[2]))
    if process.returncode:
        tail = "\n".join(log.read_text().splitlines()[-SHOWN_LINES:])
        raise DemoError(f"dbt {' '.join(arguments)} failed ({log}):\n{tail}")


def read_results(workspace: Workspace) -> DbtRun:
    results: dict[str, Any] = json.loads(
        (workspace.project / "target/run_results.json").read_text()
    )
    return DbtRun(
        invocation_id=results["metadata"]["invocation_id"],
        node_seconds={node["unique_id"]: node["execution_time"] for node in results["results"]},
    )
