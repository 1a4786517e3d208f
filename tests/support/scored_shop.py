"""A small dbt project with one model of predictions; dbt runs in this process."""

import contextlib
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import duckdb
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import foresql
from foresql.registry import Registry

PACKAGE = Path(__file__).parents[2] / "dbt_project" / "foresql_package"

FILES = {
    "dbt_project.yml": """\
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
models: {+materialized: table}
""",
    "packages.yml": f"packages: [{{local: '{PACKAGE}'}}]\n",
    "profiles.yml": """\
shop:
  target: local
  outputs:
    local:
      type: duckdb
      path: "{{ env_var('SHOP') }}/shop.duckdb"
      threads: 4
      plugins:
        - module: foresql.udfs.dbt
          config:
            registry: "{{ env_var('SHOP') }}/registry"
            models: {predict_bought: bought@champion}
    postgres:
      type: postgres
      host: "{{ env_var('PGHOST', 'localhost') }}"
      port: "{{ env_var('PGPORT', '5432') | as_number }}"
      user: "{{ env_var('PGUSER', 'postgres') }}"
      password: ""
      dbname: "{{ env_var('PGDATABASE', 'postgres') }}"
      schema: shop
      threads: 4
""",
    "models/customers.sql": """\
{{ config(materialized='table') }}
select
    cast(n as bigint) as id,
    cast(case when n % 2 = 0 then 'north' else 'south' end as varchar) as shop,
    cast(20 + n as double precision) as age,
    cast(10 + n * 2 as double precision) as income,
    cast('hash ' || n as varchar) as features_hash
from (
    {%- for n in range(1, 7) %}
    select {{ n }} as n {{ 'union all' if not loop.last }}
    {%- endfor %}
) as numbers
""",
    "models/predictions.sql": """\
{{ foresql.scored('bought@champion', ref('customers'), key=['shop', 'id'],
    predict='buys', predict_proba='probability') }}
""",
    "models/schema.yml": """\
models:
  - name: predictions
    data_tests:
      - foresql.unique_key
      - foresql.version_coverage
      - foresql.parity_with_certificate
    columns:
      - name: probability
        data_tests:
          - foresql.prediction_range: {arguments: {min: 0, max: 1}}
          - foresql.null_rate: {arguments: {max: 0.25}, config: {severity: warn}}
""",
}


@dataclass(frozen=True)
class Shop:
    """The project's folder; its database and its registry lie there too."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        return Registry.open(self.folder / "registry")

    def dbt(self, *arguments: str) -> "Invoked":
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        events = []
        folder = str(self.folder)
        command = [*arguments, "--project-dir", folder, "--profiles-dir", folder]
        command += ["--no-use-colors", "--log-level-file", "none"]
        changes = {"SHOP": folder} | self.environment
        with mock.patch.dict(os.environ, changes), contextlib.redirect_stdout(io.StringIO()):
            result = dbtRunner(callbacks=[events.append]).invoke(command)
        # dbt would keep the file open, with the functions of this start.
        DuckDBConnectionManager.close_all_connections()
        texts = [event.info.msg for event in events if event.info.level != "debug"]
        ran = getattr(result.result, "results", None) or []
        return Invoked(
            "\n".join(texts), {r.node.name.split(".")[-1]: r.status.value for r in ran}, result
        )

    def query(self, sql: str) -> list[tuple]:
        with duckdb.connect(self.folder / "shop.duckdb") as connection:
            return connection.execute(sql).fetchall()


@dataclass(frozen=True)
class Invoked:
    """What dbt printed, and the status of each node by its name."""

    printed: str
    statuses: dict[str, str]
    result: object

    def status(self, start: str) -> str:
        (found,) = [status for name, status in self.statuses.items() if name.startswith(start)]
        return found


def publish_bought(registry: Path, **options) -> None:
    rows = np.random.default_rng(7)
    features = pd.DataFrame({"age": rows.uniform(20, 30, 80), "income": rows.uniform(10, 30, 80)})
    labels = (features["income"] + rows.normal(0, 3, 80) > 18).astype(int)
    model = LogisticRegression(C=options.pop("weight", 1.0)).fit(features, labels)
    foresql.publish("bought", model, like=features, registry=registry, probe_rows=100, **options)


def make_shop(folder: Path) -> Shop:
    """Publish the model, and write the project's files."""
    shop = Shop(folder)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    publish_bought(folder / "registry", alias="champion", description="Who buys")
    return shop
