"""Makes pytest work in a repository whose root is the package under test."""

import fcntl
import json
import os
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hanging import Hanging
from rich.console import Console

from foresql.demo import run_demo
from foresql.demo.flights import load_flights
from foresql.demo.workspace import Workspace

REPOSITORY = Path(__file__).parents[1]

# OpenMP's threads spin while they wait: on cores that others share, a small training takes minutes.
# Read when a library is loaded, here and in the commands that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Spark's workers are the Python that has foresql, and not the first one of the path.
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)


class RootIsNoTestPackage:
    """Collects the repository's root as a plain folder.

    The root has an `__init__.py`, so pytest would import it a second time, under the name of
    the clone's folder, and fail where that is no identifier.
    """

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Dir | None:
        return pytest.Dir.from_parent(parent, path=path) if path == REPOSITORY else None


def pytest_configure(config: pytest.Config) -> None:
    # Registered as an object: hooks of this file itself are not asked about folders above it.
    config.pluginmanager.register(RootIsNoTestPackage())
    config.pluginmanager.register(Hanging(config))


@dataclass(frozen=True)
class DemoRun:
    """The demo, run once for all tests on the first three days of each month."""

    workspace: Workspace
    flights: int
    figures: dict[str, Any]
    printed: str


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    result = shared / "demo_run.json"
    # Workers of one run share it: the first one here runs the demo, the others wait.
    with (shared / "demo_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            figures, printed = run_small_demo(shared / "demo")
            result.write_text(json.dumps({"figures": figures, "printed": printed}))
    found = json.loads(result.read_text())
    return DemoRun(Workspace(shared / "demo"), found["figures"]["rows"]["flights"], **found)


def run_small_demo(folder: Path) -> tuple[dict[str, Any], str]:
    def load_some_flights(database: Path) -> dict[str, int]:
        rows = load_flights(database)
        with duckdb.connect(database) as connection:
            connection.execute("delete from raw.flights where day > 3")
            return rows | {"flights": connection.table("raw.flights").shape[0]}

    console = Console(file=StringIO(), width=100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("foresql.demo.run.load_flights", load_some_flights)
        figures = run_demo(folder, console)
    return figures, console.file.getvalue()
