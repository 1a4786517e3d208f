"""dbt that starts in no time: a process that has imported it, and forks a real one for each run.

Each run is a process of its own: it opens the database, resolves aliases and ends, as dbt does
from a shell, and can be killed. Only the seconds of importing dbt are spent once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from children import deadline

QUIET = {
    "DBT_TARGET_PATH": "target",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    # A run that ends at once leaves dbt's semaphores to the parent, which says so.
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
}
PLACES = ("--project-dir", ".", "--profiles-dir", ".", "--no-use-colors")


@dataclass(frozen=True)
class Kill:
    """`kill -9` of dbt itself when its statement of that number begins, or a while later."""

    statement: int
    after: float | None = None
    """Seconds, while that statement and those after it run; None: at once, it never begins."""


@dataclass(frozen=True)
class Finished:
    """A run that ended, in whichever way."""

    signal: int
    """Which signal killed it; 0 where none did."""
    success: bool
    invocation_id: str
    nodes: dict[str, dict[str, Any]]
    """Status, message and seconds of each node, by its unique id."""
    printed: str
    statements: list[str]
    """What dbt sent to the database, in order; of one that was killed, nothing."""


class WarmDbt:
    """A process that forks dbt on request, in one folder, with one environment."""

    def __init__(self, project: Path, environment: dict[str, str]) -> None:
        self.project = project
        self._replies = project.parent / "warm_dbt_reply.json"
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=project,
            env=os.environ | environment | QUIET,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with deadline(self._process):
            self._process.communicate()

    def __call__(
        self, *arguments: str, kill: Kill | None = None, environment: dict[str, str] | None = None
    ) -> Finished:
        """Run one command of dbt to its end."""
        self._replies.unlink(missing_ok=True)
        request = {
            "arguments": [*arguments, *PLACES],
            "environment": environment or {},
            "kill": kill and [kill.statement, kill.after],
            "reply": str(self._replies),
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        with deadline(self._process):
            ended = json.loads(self._process.stdout.readline())
        empty = {"success": False, "invocation_id": "", "nodes": {}, "statements": []}
        told = json.loads(self._replies.read_text()) if self._replies.exists() else empty
        printed = self._replies.with_suffix(".log").read_text()
        if "crash" in told:
            raise RuntimeError(told["crash"] + printed)
        return Finished(signal=ended["signal"], printed=printed, **told)


def serve() -> None:
    """Fork a dbt for each line that comes in, and say how it ended."""
    warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            run_forked(request)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"signal": os.WTERMSIG(status)}) + "\n")
        sys.stdout.flush()


def warm_up() -> None:
    """Install the packages and parse once here: each run then finds what this made."""
    import multiprocessing.dummy  # noqa: F401 - these four are what a run imports later

    import dbt.task.build  # noqa: F401
    import dbt_common.clients.agate_helper  # noqa: F401
    import pandas as pd  # noqa: F401
    from dbt.cli.main import dbtRunner

    import foresql.udfs.dbt  # noqa: F401

    with (
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stdout(nothing),
    ):
        for command in ("deps", "parse"):
            done = dbtRunner().invoke([command, *PLACES])
            assert done.success, done.exception
    assert threading.active_count() == 1, threading.enumerate()


def run_forked(request: dict[str, Any]) -> None:
    """Be dbt, and end."""
    reply = Path(request["reply"])
    log = os.open(reply.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(request["environment"])
    try:
        told = invoke(request["arguments"], request["kill"])
    except BaseException:  # noqa: BLE001 - the parent raises it
        told = {"crash": traceback.format_exc()}
    sys.stdout.flush()
    part = reply.with_suffix(".part")
    part.write_text(json.dumps(told))
    part.rename(reply)
    os._exit(0)


def invoke(arguments: list[str], kill: list[Any] | None) -> dict[str, Any]:
    from dbt.cli.main import dbtRunner

    statements = watch_statements(kill)
    done = dbtRunner().invoke(arguments)
    results = Path("target/run_results.json")
    written = json.loads(results.read_text()) if results.exists() and done.result else {}
    if done.exception:
        sys.stdout.write(f"{done.exception}\n")
    close_database()
    return {
        "success": done.success,
        "invocation_id": written.get("metadata", {}).get("invocation_id", ""),
        "nodes": {
            node["unique_id"]: {
                "status": node["status"],
                "message": node["message"],
                "seconds": node["execution_time"],
            }
            for node in written.get("results", [])
        },
        "statements": statements,
    }


def watch_statements(kill: list[Any] | None) -> list[str]:
    """Note each statement that goes to DuckDB, and end the process at the one that is named."""
    from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper

    statements: list[str] = []
    execute = DuckDBCursorWrapper.execute

    def watched(self: Any, sql: str, bindings: Any = None) -> Any:
        if kill and len(statements) == kill[0]:
            end_this_process(kill[1])
        statements.append(sql)
        return execute(self, sql, bindings)

    DuckDBCursorWrapper.execute = watched
    return statements


def end_this_process(after: float | None) -> None:
    def end() -> None:
        time.sleep(after or 0)
        os.kill(os.getpid(), signal.SIGKILL)

    if after is None:
        end()
    threading.Thread(target=end, daemon=True).start()


def close_database() -> None:
    """Close it as the end of a process does: what is committed is in the file."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    with contextlib.suppress(AttributeError):
        DuckDBConnectionManager._ENV.close()


if __name__ == "__main__":
    serve()
