"""A dbt project that each test may change: a copy of the one that the demo built."""

import shutil
from dataclasses import dataclass

import duckdb
import pytest

from foresql.demo.dbt_command import DbtRun, run_dbt
from foresql.demo.workspace import Workspace


@dataclass(frozen=True)
class BuiltProject:
    workspace: Workspace

    def build(self, *arguments: str) -> DbtRun:
        return run_dbt(self.workspace, "test", "build", "--warn-error", *arguments)

    def query(self, sql: str, *values: object) -> list[tuple]:
        with duckdb.connect(self.workspace.database) as connection:
            return connection.execute(sql, values).fetchall()

    def compiled(self, model: str) -> str:
        (path,) = (self.workspace.project / "target/compiled").glob(f"*/models/*/{model}.sql")
        return path.read_text()


@pytest.fixture
def project(demo_run, tmp_path):
    folder = shutil.copytree(demo_run.workspace.folder, tmp_path / "demo")
    return BuiltProject(Workspace(folder))
