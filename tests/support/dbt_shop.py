"""A small dbt project that a test writes: the package, a registry beside it, DuckDB and Postgres.

dbt runs in this process, where a second command costs little; DuckDB's file is closed after each.
"""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import duckdb

from foresql.deploy.dbt_macros import dbt_macros

PACKAGE = Path(__file__).parents[2] / "dbt_project/foresql_package"
PROJECT = """\
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
"""
PROFILES = """\
shop:
  target: duckdb
  outputs:
    duckdb:
      type: duckdb
      path: "{{ env_var('SHOP_DATABASE') }}"
      threads: 1
      plugins:
        - module: foresql.udfs.dbt
          config:
            registry: "{{ env_var('FORESQL_REGISTRY') }}"
            models: %s
    postgres:
      type: postgres
      host: "{{ env_var('PGHOST', 'localhost') }}"
      user: "{{ env_var('PGUSER', 'nobody') }}"
      password: ""
      port: 5432
      dbname: "{{ env_var('PGDATABASE', 'postgres') }}"
      schema: "{{ env_var('SHOP_SCHEMA', 'shop') }}"
      threads: 1
    snowflake:
      type: snowflake
      account: fake
      user: tester
      password: fake-password
      warehouse: W
      database: SHOP
      schema: PUBLIC
"""


@dataclass(frozen=True)
class Invocation:
    """What a dbt command came to."""

    success: bool
    printed: str
    invocation_id: str


@dataclass
class Shop:
    """A project's folder, with its registry and databases."""

    folder: Path
    registry: Path
    environment: dict[str, str] = field(default_factory=dict)
    target: str = "duckdb"

    @property
    def database(self) -> Path:
        return self.folder / "shop.duckdb"

    def write(self, **files: str) -> None:
        """Write SQL files: `models__features` is models/features.sql."""
        for name, text in files.items():
            self.put(f"{name.replace('__', '/')}.sql", text)

    def put(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def compile_step(self, *references: str, to: tuple[str, ...] = ("postgres",)) -> None:
        self.put("macros/foresql_models.sql", dbt_macros(references, self.registry, to=to))

    def dbt(self, *arguments: str) -> Invocation:
        from dbt.cli.main import dbtRunner

        events = []
        folder = str(self.folder)
        command = [*arguments, "--project-dir", folder, "--profiles-dir", folder]
        if arguments[0] != "deps":
            command += ["--target", self.target]
        command += ["--no-use-colors", "--log-level-file", "none"]
        variables = {
            "FORESQL_REGISTRY": str(self.registry),
            "SHOP_DATABASE": str(self.database),
            **self.environment,
        }
        with mock.patch.dict(os.environ, variables), warnings.catch_warnings(), closed_afterwards():
            warnings.simplefilter("ignore")
            result = dbtRunner(callbacks=[events.append]).invoke(command)
        printed = "\n".join(each.info.msg for each in events if each.info.level != "debug")
        return Invocation(result.success, printed, events[-1].info.invocation_id)

    def run(self, *arguments: str) -> Invocation:
        """Run what must go well."""
        found = self.dbt(*arguments)
        assert found.success, found.printed
        return found

    def fail(self, *arguments: str) -> str:
        """Run what must fail, and give what it says, in one line."""
        found = self.dbt(*arguments)
        assert not found.success, found.printed
        return " ".join(found.printed.split())

    def sql(self, query: str) -> list[tuple]:
        if self.target == "postgres":
            with self.connect() as connection:
                found = connection.execute(query)
                return found.fetchall() if found.description else []
        with duckdb.connect(self.database) as connection:
            return connection.execute(query).fetchall()

    def connect(self, *, autocommit: bool = True):
        """Connect to Postgres."""
        import psycopg

        return psycopg.connect(
            host=self.environment["PGHOST"],
            user=self.environment["PGUSER"],
            dbname=self.environment["PGDATABASE"],
            options=f"-c search_path={self.environment['SHOP_SCHEMA']}",
            autocommit=autocommit,
        )

    def reset(self) -> None:
        """Give the raw table its first rows back."""
        self.sql("delete from raw")
        self.sql("insert into raw select * from raw_before")

    @property
    def manifest(self) -> dict:
        return json.loads((self.folder / "target/manifest.json").read_text())

    def compiled(self, model: str) -> str:
        (path,) = (self.folder / "target/compiled").rglob(f"models/{model}.sql")
        return path.read_text()


def open_shop(folder: Path, registry: Path, functions: Mapping[str, str]) -> Shop:
    """Write a project with the package in it, without models."""
    shop = Shop(folder, registry)
    shop.put("dbt_project.yml", PROJECT)
    shop.put("profiles.yml", PROFILES % json.dumps(dict(functions)))
    shutil.copytree(PACKAGE, folder / "dbt_packages/foresql")
    shop.put("packages.yml", "packages:\n  - local: dbt_packages/foresql\n")
    return shop


@contextlib.contextmanager
def closed_afterwards() -> Iterator[None]:
    """Close the DuckDB file, which dbt keeps open for its process."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    try:
        yield
    finally:
        DuckDBConnectionManager.close_all_connections()
