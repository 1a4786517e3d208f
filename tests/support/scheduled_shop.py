"""A tiny dbt project with the package, and `foresql schedule` on it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from children import PATIENCE

import foresql

PACKAGE = Path(foresql.__file__).parent / "dbt_project/foresql_package"
PROJECT = """\
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
# No model is published here: there is no catalogue to test.
sources: {foresql: {foresql: {+enabled: false}}}
"""
PROFILES = """\
shop:
  target: local
  outputs:
    local: {type: duckdb, path: shop.duckdb, threads: 4}
    server:
      type: postgres
      host: "{{ env_var('PGHOST', '') }}"
      user: "{{ env_var('PGUSER', '') }}"
      password: ''
      port: 5432
      dbname: postgres
      schema: shop
      threads: 3
    snowflake:
      type: snowflake
      account: "{{ env_var('SNOWFLAKE_ACCOUNT', '') }}"
      user: "{{ env_var('SNOWFLAKE_USER', '') }}"
      password: "{{ env_var('SNOWFLAKE_PASSWORD', '') }}"
      role: ANALYST
      warehouse: FORESQL_WH
      database: FORESQL
      schema: SHOP
      threads: 2
"""
# What foresql.scored makes of a model, without a model to publish.
PREDICTIONS = """\
{{ config(materialized='incremental', unique_key='id', incremental_strategy='delete+insert',
    meta={'foresql': {'scored': true, 'reference': 'bought@champion'}}) }}
select id, 'bought' as model_name, 3 as model_version, '{{ invocation_id }}' as run_id
from (select 1 as id union all select 2 union all select 3) as features
{% if is_incremental() %}where id not in (select id from {{ this }}){% endif %}
"""


@dataclass(frozen=True)
class Project:
    """A dbt project, and `foresql schedule` on it."""

    folder: Path
    environment: dict[str, str]

    def command(self, name: str, *arguments: str) -> list[str]:
        command = [sys.executable, "-m", "foresql.cli", "schedule", name]
        return [*command, "--project", str(self.folder), *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start("run", *arguments)
        printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, printed
        return printed

    def dbt_does(self, *behaviours: dict) -> None:
        """Say what the stand-in does, call by call; the last is done for ever."""
        (self.folder / "behaviours.json").write_text(json.dumps(behaviours))

    @property
    def events(self) -> list[dict]:
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def happened(self, what: str) -> list[dict]:
        return [event for event in self.events if event["event"] == what]


def make_project(folder: Path) -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages/foresql").symlink_to(PACKAGE)
    (folder / "dbt_project.yml").write_text(PROJECT)
    (folder / "profiles.yml").write_text(PROFILES)
    (folder / "models/predictions.sql").write_text(PREDICTIONS)
    (folder / "models/mart.sql").write_text("select count(*) as n from {{ ref('predictions') }}")
    return folder
