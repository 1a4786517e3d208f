"""A dbt model of predictions after a few rows changed, against scoring the whole table again.

The seconds are those of the model's node in dbt: its start and its parsing are in no figure. Each
run opens the database anew, as a dbt that was just started does.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd
from measuring import Row, largest_difference, report

import foresql

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, CHANGED, COLUMNS, TRAINED, ROUNDS = 5_000_000, 5_000, 20, 16_384, 3
NAMES = [f"x{index}" for index in range(COLUMNS)]
PACKAGE = Path(__file__).parents[1] / "dbt_project" / "foresql_package"
OURS = "full refresh, our kernel"
USUAL = "full refresh, a Python model around Booster.predict"
FILES = {
    "dbt_project.yml": "{name: shop, profile: shop}",
    "packages.yml": f"packages: [{{local: '{PACKAGE}'}}]",
    "profiles.yml": """
shop:
  target: local
  outputs:
    local:
      type: duckdb
      path: "{{ env_var('FORESQL_DATABASE') }}"
      threads: 1
      settings: {memory_limit: 2GB}
      plugins:
        - module: foresql.udfs.dbt
          config:
            registry: "{{ env_var('FORESQL_REGISTRY') }}"
            models: {predict_small: small@champion, predict_large: large@champion}
""",
    "models/sources.yml": """
sources:
  - name: raw
    schema: main
    tables: [{name: features}]
""",
}
SCORED = """
{{{{ foresql.scored('{name}@champion', source('raw', 'features'), key='id', predict='answer') }}}}
"""
PYTHON_MODEL = """
import lightgbm as lgb
import numpy as np
import pyarrow as pa


def model(dbt, session):
    dbt.config(materialized="table")
    features = dbt.source("raw", "features")
    booster = lgb.Booster(model_file="{path}")
    names = booster.feature_name()
    query = "select id, features_hash, " + ", ".join(names) + " from features"
    # In a cursor of its own: this one writes while that one reads.
    rows = session.cursor().sql(query).to_arrow_reader(500_000)
    fields = [("id", pa.int64()), ("features_hash", pa.string()), ("answer", pa.float64())]

    def scored():
        for batch in rows:
            matrix = np.stack([batch.column(name).to_numpy() for name in names], axis=1)
            answers = pa.array(booster.predict(matrix, num_threads={threads}))
            kept = [batch.column("id"), batch.column("features_hash")]
            yield pa.record_batch([*kept, answers], schema=pa.schema(fields))

    return pa.RecordBatchReader.from_batches(pa.schema(fields), scored())
"""


@dataclass(frozen=True)
class Case:
    """A model by its size, and how many times as fast as either peer an incremental run shall be.

    Comparing the hashes of all rows takes a second and more, whatever the model: around
    Booster.predict a small one falls short of the bar, which a large one passes by far.
    """

    name: str
    trees: int
    leaves: int
    bar_of_ours: float
    bar_of_usual: float


CASES = (Case("small", 100, 31, 2.0, 20.0), Case("large", 500, 127, 2.0, 20.0))


def main() -> None:
    """Change rows, and let all three run, in turn; then see that they hold the same answers."""
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        report("dbt_incremental", [row for case in CASES for row in shop.compare(case)])


class Shop:
    """A table of features, a registry, and a dbt project that scores the one with the other."""

    def __init__(self, folder: Path) -> None:
        """Draw the rows, publish the models, write the project and let dbt install the package."""
        self.project, self.database = folder / "project", folder / "shop.duckdb"
        self.registry = folder / "registry"
        os.environ |= {
            "FORESQL_DATABASE": str(self.database),
            "FORESQL_REGISTRY": str(self.registry),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        columns = ", ".join(f"(random() + random() + random() - 1.5) * 2 as {n}" for n in NAMES)
        with duckdb.connect(self.database) as connection:
            connection.execute("set memory_limit = '2GB'")
            # Which text a hash is does not matter here: making it is no part of what is timed.
            connection.execute(
                f"create table features as select id, {columns}, md5(id::varchar) as features_hash "
                f"from range({ROWS}) as t (id)"
            )
        files = dict(FILES)
        for case in CASES:
            path = folder / f"{case.name}.txt"
            self.publish(case).save_model(path)
            files[f"models/{case.name}.sql"] = SCORED.format(name=case.name)
            # Whatever OMP_NUM_THREADS says, LightGBM gets the threads that DuckDB takes.
            usual = PYTHON_MODEL.replace("{threads}", str(os.cpu_count()))
            files[f"models/usual_{case.name}.py"] = usual.replace("{path}", str(path))
        for name, text in files.items():
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(text)
        self.dbt("deps")

    def publish(self, case: Case) -> lgb.Booster:
        """Train a model and make it the champion of its name."""
        rng = np.random.default_rng(7)
        matrix = rng.normal(size=(TRAINED, COLUMNS))
        target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=TRAINED) / 10
        options = {"num_leaves": case.leaves, "verbose": -1, "seed": 1, "num_threads": 1}
        frame = pd.DataFrame(matrix, columns=NAMES)
        booster = lgb.train(options, lgb.Dataset(frame, target), case.trees)
        options = {"registry": self.registry, "alias": "champion", "probe_rows": 1_000}
        foresql.publish(case.name, booster, like=frame, **options)
        return booster

    def compare(self, case: Case) -> list[Row]:
        """Time an incremental run, a full refresh and the usual model, interleaved."""
        self.seconds(case.name)  # the first run, which scores all
        clocks: list[Callable[[], float]] = [
            lambda: self.seconds(case.name, "--full-refresh"),
            lambda: self.incremental(case.name),
            lambda: self.seconds(f"usual_{case.name}"),
        ]
        times = [[clock() for clock in clocks] for _ in range(ROUNDS)]
        refresh, ours, usual = (statistics.median(each) for each in zip(*times, strict=True))
        difference = self.difference(case.name)
        label = f"{case.trees} trees of {case.leaves} leaves: {CHANGED:,} of {ROWS:,} rows changed"
        peers = ((OURS, refresh, case.bar_of_ours), (USUAL, usual, case.bar_of_usual))
        note = f"{CHANGED:,} rows scored"
        threads = os.cpu_count() or 1
        return [
            Row(label, peer, ours, took, took / ours, bar, difference, threads=threads, note=note)
            for peer, took, bar in peers
        ]

    def incremental(self, model: str) -> float:
        """Change rows, and let dbt find and score them.

        Raises
        ------
        RuntimeError
            If the run log says that other than the changed rows were scored.
        """
        with duckdb.connect(self.database) as connection:
            connection.execute("select setseed(0.5)")
            connection.execute(
                "update features set x0 = x0 + 1, features_hash = md5(features_hash) "
                f"where id in (select id from features using sample {CHANGED} rows)"
            )
        seconds = self.seconds(model)
        with duckdb.connect(self.database) as connection:
            [(scored,)] = connection.sql(
                "select rows_scored from foresql.runs order by started_at desc limit 1"
            ).fetchall()
        if scored != CHANGED:
            message = f"{scored:,} rows were scored, and {CHANGED:,} had changed."
            raise RuntimeError(message)
        return seconds

    def seconds(self, model: str, *options: str) -> float:
        """Run one model, and give the seconds that its node took."""
        done = self.dbt("run", "--select", model, *options)
        [seconds] = [
            each.execution_time for each in done.result if each.node.resource_type == "model"
        ]
        return seconds

    def dbt(self, *arguments: str) -> Any:
        """Run dbt in this process, on a database that it opens and closes.

        Raises
        ------
        RuntimeError
            If it fails, with what it printed.
        """
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        places = ("--project-dir", str(self.project), "--profiles-dir", str(self.project))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            done = dbtRunner().invoke([*arguments, *places, "--no-use-colors"])
        DuckDBConnectionManager.close_all_connections()
        if not done.success:
            raise RuntimeError(printed.getvalue() or str(done.exception))
        return done

    def difference(self, model: str) -> float:
        """Compare our answers, those that an incremental run gave too, with Booster.predict's."""
        with duckdb.connect(self.database) as connection:
            found = connection.execute(
                "select ours.answer as ours, usual.answer as usual "
                f"from {model} as ours full join usual_{model} as usual using (id)"
            ).fetchnumpy()
        # A row that one of both lacks is masked, and NaN differs from any answer.
        return largest_difference(*(np.ma.filled(found[each], np.nan) for each in found))


if __name__ == "__main__":
    main()
