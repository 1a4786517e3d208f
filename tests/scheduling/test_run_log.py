"""The run log: what dbt did, in the warehouse, on each engine."""

import contextlib
import json
import os
import signal
import time

import duckdb
import pytest
from children import PATIENCE
from dbt.cli.main import dbtRunner
from postgres_server import postgres_server
from scheduled_shop import Project, make_project
from snowflake_account import Account
from snowflake_dbt import DbtOnSnowflake

RUNS = "select status, command, target, rows_scored, versions, nodes_failed from foresql.runs"
FAILS = "select 1 / n from {{ ref('predictions') }} where nonsense(id)"
OLD_TABLE = "create table foresql.runs (run_id varchar, started_at timestamp, status varchar)"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Make a project that dbt itself runs."""
    return Project(make_project(tmp_path_factory.mktemp("real") / "shop"), dict(os.environ))


def query(shop, sql):
    with duckdb.connect(shop.folder / "shop.duckdb") as connection:
        return connection.execute(sql).fetchall()


def wait_for(path, text):
    until = time.monotonic() + 90
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_scheduled_runs_on_duckdb(shop):
    """One that scores, one that is killed and one that fails, and finds the killed one."""
    # An older release wrote fewer columns.
    query(shop, "create schema foresql; " + OLD_TABLE)
    options = ("--once", "--name", "hourly", "--retries", "1", "--retry-delay", "0s")
    printed = shop.run(*options)
    assert "predictions: scored 3 of 3 rows" in printed

    (shop.folder / "models/slow.sql").write_text(
        "{{ config(materialized='table') }}"
        "select sum(sqrt(a.range * b.range)) as s from range(1000000000) a, range(1000000000) b"
    )
    killed = shop.start("run", *options)
    wait_for(shop.folder / ".foresql/logs/hourly.log", "START sql table model main.slow")
    # Readers are told who keeps them out.
    history = shop.start("history", "--database", str(shop.folder / "shop.duckdb"))
    told, _ = history.communicate(timeout=PATIENCE)
    assert history.returncode == 1
    assert "shop.duckdb is open in another process: " in told
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)

    (shop.folder / "models/slow.sql").unlink()
    (shop.folder / "models/mart.sql").write_text(FAILS)
    printed = shop.run(*options, "--select", "predictions+", "--wait", "60s", code=1)
    assert "nonsense does not exist" in printed

    by_dbt = "with r as (from foresql.runs order by started_at) select * from r"
    found = query(shop, by_dbt.replace("*", "status, rows_scored, trigger, schedule, attempt"))
    assert found == [
        ("success", 3, "schedule", "hourly", 1),
        ("interrupted", None, "schedule", "hourly", 1),
        *[("error", 0, "schedule", "hourly", attempt) for attempt in (1, 2)],
    ]
    (last,) = query(shop, by_dbt.replace("*", "command, selection, message, nodes_failed"))[-1:]
    assert last[:2] == ("build", "predictions+")
    assert "Scalar Function with name nonsense does not exist" in last[2]
    assert last[3] == 1
    tables = "select node, reference, model_version, rows_scored, rows_total, status"
    assert query(shop, f"{tables} from foresql.run_tables order by rows_scored desc limit 2") == [
        ("model.shop.predictions", "bought@champion", 3, scored, 3, "success") for scored in (3, 0)
    ]


def test_the_history(shop):
    """After the runs above, as dbt reads it and as it is read from the file."""
    found = {}
    for source in ((), ("--database", str(shop.folder / "shop.duckdb"))):
        process = shop.start("history", "--json", "--limit", "2", "--name", "hourly", *source)
        printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, printed
        found[source] = json.loads(printed)
    by_dbt, by_file = found.values()
    assert by_dbt == by_file
    assert [(run["status"], run["attempt"]) for run in by_file] == [("error", 2), ("error", 1)]
    process = shop.start("history", "--database", str(shop.folder / "shop.duckdb"))
    assert "bought:3" in process.communicate(timeout=PATIENCE)[0]


def dbt(project, *arguments):
    """Run dbt in this process, which is quicker."""
    events = []
    folder = str(project.folder)
    command = [*arguments, "--project-dir", folder, "--profiles-dir", folder]
    done = dbtRunner(callbacks=[events.append]).invoke(
        [*command, "--no-use-colors", "--log-level-file", "none"]
    )
    return done.success, "\n".join(event.info.msg for event in events)


def test_runs_on_postgres(tmp_path, monkeypatch):
    """Commands that build nothing are not logged."""
    shop = Project(make_project(tmp_path / "shop"), {})
    with postgres_server() as server:
        for name, value in server.settings.items():
            monkeypatch.setenv(name, value)
        server.psql("create schema foresql")
        server.psql(OLD_TABLE)
        # One that nobody ended, a day and more ago; and one that may go on.
        server.psql("insert into foresql.runs values ('old', '2020-01-01', 'running')")
        server.psql("insert into foresql.runs values ('new', '2100-01-01', 'running')")
        success, printed = dbt(shop, "build", "--target", "server")
        assert success, printed
        assert "predictions: scored 3 of 3 rows" in printed

        # A role that may build, and not write the log.
        server.psql("create role ana login")
        for name in ("schema shop", "table shop.predictions", "view shop.mart"):
            server.psql(f"alter {name} owner to ana")
        monkeypatch.setenv("PGUSER", "ana")
        success, printed = dbt(shop, "run", "--target", "server", "--select", "predictions")
        assert success, printed
        assert "predictions: scored 0 of 3 rows" in printed
        assert "permission denied for schema foresql" in printed
        assert 'usage, create on schema "foresql" to "ana";' in printed

        monkeypatch.setenv("PGUSER", "postgres")
        (shop.folder / "models/mart.sql").write_text(FAILS)
        success, _ = dbt(shop, "build", "--target", "server", "--fail-fast")
        assert not success
        for command in ("compile", "test"):
            dbt(shop, command, "--target", "server")
        dbt(shop, "show", "--target", "server", "--select", "predictions")
        found = server.psql(f"{RUNS} order by started_at", "-At").splitlines()
    assert found == [
        "interrupted|||||",
        "success|build|server|3|bought:3|0",
        "error|build|server|0|bought:3|1",
        "running|||||",
    ]


def test_runs_on_snowflake(tmp_path):
    folder = make_project(tmp_path / "shop")
    with contextlib.closing(Account()) as account:
        snowflake = DbtOnSnowflake(folder, account)
        account.run("CREATE SCHEMA FORESQL.SHOP")
        done = snowflake.dbt("build")
        assert done.success, done.printed
        assert "predictions: scored 3 of 3 rows" in done.printed
        runs = f"{RUNS.replace('foresql.', 'FORESQL.FORESQL.')} order by started_at"
        assert snowflake.query(runs) == [("success", "build", "snowflake", 3, "bought:3", 0)]
        tables = "select relation, model_version, rows_scored from FORESQL.FORESQL.RUN_TABLES"
        assert snowflake.query(tables) == [("FORESQL.SHOP.predictions", 3, 3)]

        snowflake.query("drop table FORESQL.FORESQL.RUNS")
        snowflake.query("create view FORESQL.FORESQL.RUNS as select 1 as run_id")
        done = snowflake.dbt("run", "--select", "predictions")
        assert done.success, done.printed
        assert "Warning: foresql could not write the run log" in done.printed
        assert 'FORESQL.foresql to role "ANALYST";' in done.printed
