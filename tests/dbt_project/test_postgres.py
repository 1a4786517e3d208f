"""The same project on a real Postgres, where the models are SQL in the queries of dbt.

The flights are those of three days in January, which the demo's DuckDB target has scored too.
"""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import duckdb
import psycopg
import pytest
from postgres_server import PostgresServer, postgres_server

import foresql
from foresql import Registry
from foresql.demo.workspace import SHIPPED_PROJECT
from foresql.deploy.dbt_macros import dbt_macros

TABLES = ("flights", "weather", "planes", "airports", "airlines")
FLIGHTS = 2_699
NOT_IN_BOTH = {"features_hash", "scored_at", "run_id"}
"""What each engine, and each run, has of its own."""

PREDICTIONS = "select flight_id, late_probability, predicted_late from delay_predictions"


@dataclass(frozen=True)
class OnPostgres:
    server: PostgresServer
    project: Path
    registry: Path

    def dbt(self, *arguments: str) -> str:
        """Run dbt, and give the invocation id, which the rows that it scored carry."""
        from dbt.cli.main import dbtRunner

        events = []
        folder = str(self.project)
        options = ["--project-dir", folder, "--profiles-dir", folder, "--log-level-file", "none"]
        with mock.patch.dict("os.environ", self.server.settings):
            result = dbtRunner(callbacks=[events.append]).invoke(
                [*arguments, "--target", "postgres", "--no-use-colors", *options]
            )
        told = [each.info.msg for each in events if each.info.level != "debug"]
        assert result.success, "\n".join(told)
        return events[-1].info.invocation_id

    def query(self, sql: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.server.address, options="-c search_path=delays") as connection:
            found = connection.execute(sql, values or None)
            return found.fetchall() if found.description else []

    def compile_step(self) -> None:
        """Bring the versions that the aliases name now into the project."""
        text = dbt_macros(
            ("delay@champion", "delay@challenger"), self.registry, to=("duckdb", "postgres")
        )
        (self.project / "macros/foresql_models.sql").write_text(text)

    def scored_in(self, run: str) -> int:
        """What the run log says, which must be what the rows say."""
        ((logged,),) = self.query("select rows_scored from foresql.runs where run_id = %s", run)
        assert self.query("select count(*) from delay_predictions where run_id = %s", run) == [
            (logged,)
        ]
        return logged


@pytest.fixture(scope="module")
def built(demo_run, tmp_path_factory) -> Iterator[OnPostgres]:
    """Load the flights as README.md says, and build the project."""
    folder = tmp_path_factory.mktemp("postgres")
    registry = shutil.copytree(demo_run.workspace.registry, folder / "registry")
    ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
    project = shutil.copytree(SHIPPED_PROJECT, folder / "dbt_project", ignore=ignored)
    with postgres_server() as server:
        load(server, demo_run.workspace.database, project / "postgres")
        made = OnPostgres(server, project, registry)
        made.compile_step()
        made.dbt("deps")
        # Of a unit test dbt takes the model's SQL apart, which is slow for 150 trees: these run
        # below, where the champion is a small model.
        made.dbt("build", "--exclude-resource-type", "unit_test", "--warn-error")
        yield made


def load(server, database, folder):
    with duckdb.connect(database, read_only=True) as connection:
        for table in TABLES:
            where = "month = 1" if table == "flights" else "true"
            path = folder / f"{table}.csv"
            connection.execute(f"copy (from raw.{table} where {where}) to '{path}'")
    for _ in range(2):  # Loading again replaces.
        subprocess.run(
            [server.binaries / "psql", "-X", "-q", "-f", "load_flights.sql"],
            env=server.settings,
            cwd=folder,
            check=True,
        )


def on_duckdb(demo_run, sql):
    with duckdb.connect(demo_run.workspace.database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def bits(rows):
    return [
        tuple(struct.pack("<d", value) if isinstance(value, float) else value for value in row)
        for row in rows
    ]


def test_numbers_and_missing_values_arrive_unchanged(built, demo_run):
    for table in TABLES:
        where = "where month = 1" if table == "flights" else ""
        query = f"select * from raw.{table} {where}"
        found = bits(built.query(query))
        assert found
        assert sorted(found, key=str) == sorted(bits(on_duckdb(demo_run, query)), key=str)


@pytest.mark.parametrize(
    "table", ["flight_features", "flight_outcomes", "delay_predictions", "scored_flights"]
)
def test_tables_are_those_of_duckdb_bit_for_bit(built, demo_run, table):
    columns = [name for (name, *_) in on_duckdb(demo_run, f"describe {table}")]
    listed = ", ".join(name for name in columns if name not in NOT_IN_BOTH)
    found = built.query(f'select {listed} from {table} order by flight_id collate "C"')
    assert len(found) == FLIGHTS
    expected = on_duckdb(
        demo_run,
        f"select {listed} from {table} join (select flight_id from flight_features "
        "where month = 1) using (flight_id) order by flight_id",
    )
    assert bits(found) == bits(expected)


def test_the_database_itself_keeps_the_key(built):
    for statement in (
        "insert into delay_predictions select * from delay_predictions limit 1",
        "update delay_predictions set model_version = null",
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            built.query(statement)


def test_what_is_stale_is_scored_and_nothing_else(built):
    before = built.query(f"{PREDICTIONS} order by 1")
    scoring = ("run", "--selector", "predictions_hourly")
    assert built.scored_in(built.dbt(*scoring)) == 0

    changed = (
        "update raw.flights set distance = distance {} 1 where md5(flights::text) in "
        "(select md5(f::text) from raw.flights as f order by time_hour, carrier, flight limit 100)"
    )
    for sign in "+-":
        built.query(changed.format(sign))
        assert built.scored_in(built.dbt(*scoring)) == 100
    assert built.query(f"{PREDICTIONS} order by 1") == before


def test_another_champion_scores_all_and_rollback_brings_its_answers_back(built, demo_run):
    before = built.query(f"{PREDICTIONS} order by 1")
    registry = Registry(built.registry)
    registry.move_alias("delay", "champion", 2, expected=1)
    built.compile_step()
    # With the unit tests, whose answers the new champion gives, and the history.
    assert built.scored_in(built.dbt("build", "--warn-error")) == FLIGHTS
    promoted = built.query(f'{PREDICTIONS} order by flight_id collate "C"')
    with duckdb.connect(demo_run.workspace.database, read_only=True) as connection:
        foresql.register(connection, "delay:2", registry=built.registry, temporary=True)
        expected = connection.execute(
            "select flight_id, predict_proba_delay(f), predict_delay(f) "
            "from flight_features f where month = 1 order by flight_id"
        ).fetchall()
    assert [(key, label) for key, _, label in promoted] == [
        (key, label) for key, _, label in expected
    ]
    # Postgres has the exp of its platform, which may differ by 2 ulp.
    probabilities = [probability for _, probability, _ in expected]
    assert [each for _, each, _ in promoted] == pytest.approx(probabilities, rel=4.4e-16, abs=0)

    registry.rollback("delay", "champion")
    built.compile_step()
    assert built.scored_in(built.dbt("run", "--select", "delay_predictions")) == FLIGHTS
    assert built.query(f"{PREDICTIONS} order by 1") == before
    assert built.query(
        "select model_version, count(*) from delay_predictions_history group by 1 order by 1"
    ) == [(1, FLIGHTS), (2, FLIGHTS)]


def test_the_raw_tables_are_fresh(built):
    built.dbt("source", "freshness", "--warn-error")
