"""Readers in processes of their own, while others publish, are killed, and dbt runs."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from children import PATIENCE, child

import foresql
from foresql.publishing import Request, publish_duckdb, publish_postgres

HERE = Path(__file__).parent
TIMES, KILLS = 20, 8


@contextmanager
def reading(script, target, folder):
    """Let a reader read meanwhile; give what it saw."""
    stop, seen = folder / "stop", {}
    command = [sys.executable, HERE / script, target, stop]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout.readline() == "reading\n", reader.stderr.read()
            yield seen
        finally:
            stop.touch()
            printed, problems = reader.communicate(timeout=PATIENCE)
            stop.unlink()
    assert (reader.returncode, problems) == (0, "")
    seen |= json.loads(printed)


def run_publisher(target, shop, times, kills):
    command = [sys.executable, HERE / "publisher.py", target, shop.registry, shop.one, shop.two]
    done = subprocess.run(
        [*command, str(times), str(kills)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.stdout == "done\n", done.stderr


def test_duckdb_readers_during_publishings_and_kills(shop, tmp_path):
    target = tmp_path / "serving" / "serving.duckdb"
    target.parent.mkdir()
    publish_duckdb(shop.one, target, Request(registry=shop.registry))
    with reading("read_duckdb.py", target, tmp_path) as seen:
        run_publisher(target, shop, TIMES, KILLS)
    assert set(seen) == {"delay:1", "delay:2"}
    assert list(target.parent.iterdir()) == [target]


def test_postgres_readers_during_publishings_and_kills(shop, tmp_path, postgres):
    publish_postgres(shop.one, postgres.address, Request(registry=shop.registry))
    with reading("read_postgres.py", postgres.address, tmp_path) as seen:
        run_publisher(postgres.address, shop, TIMES, KILLS)
    assert set(seen) == {"delay:1", "delay:2"}


PROFILES = """
shop:
  target: local
  outputs:
    local:
      type: duckdb
      path: {database}
      plugins:
        - module: foresql.udfs.dbt
          config: {{registry: {registry}, models: {{predict_delay: delay@champion}}}}
"""
MODEL = """
{{ config(materialized='table') }}
select flight_id, predict_delay(f) as late, predict_proba_delay(f) as probability,
    'delay' as model_name, version_delay() as model_version
from flight_features as f
"""


@pytest.fixture
def project(shop, tmp_path):
    """A dbt project that scores the first warehouse with the champion."""
    folder = tmp_path / "project"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(
        "name: shop\nprofile: shop\nflags:\n  send_anonymous_usage_stats: false\n"
    )
    (folder / "models/delay_predictions.sql").write_text(MODEL)
    profiles = PROFILES.format(database=shop.one, registry=shop.registry)
    (folder / "profiles.yml").write_text(profiles)
    return folder


def test_readers_during_a_dbt_run(shop, project, tmp_path, postgres):
    """An alias moves, dbt scores all rows again, and the result is published to both."""
    target, request = tmp_path / "serving.duckdb", Request(registry=shop.registry, wait=60)
    publish_duckdb(shop.one, target, request)
    publish_postgres(shop.one, postgres.address, request)
    foresql.Registry.open(shop.registry).move_alias("delay", "champion", 2, expected=1)
    other = tmp_path / "other"
    other.mkdir()
    with (
        reading("read_duckdb.py", target, tmp_path) as seen,
        reading("read_postgres.py", postgres.address, other) as seen_there,
    ):
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "run"]
        dbt = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
        with dbt:
            # While dbt holds the warehouse, these wait for it.
            for _ in range(3):
                publish_duckdb(shop.one, target, request)
            printed = dbt.communicate(timeout=120)[0]
        assert dbt.returncode == 0, printed
        publish_duckdb(shop.one, target, request)
        publish_postgres(shop.one, postgres.address, request)
        with duckdb.connect(target, read_only=True) as connection:
            assert connection.sql("SELECT version_delay()").fetchall() == [(2,)]
    assert seen["delay:1"]
    assert seen_there["delay:1"]
