"""The load report of an endpoint: a server with it is started, and asked for rows of its types."""

import json

import duckdb
import pytest
from click.testing import CliRunner
from endpoint_shop import JOINED, SAME

from foresql.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")


def bench(shop, *options):
    command = ["bench", "serve", "late_flight", "--registry", shop.registry, "--json"]
    command += ["--seconds", "0.2", "--connections", "1", "--clients", "1", *options]
    return CliRunner().invoke(main, [*map(str, command)])


def test_rows_are_made_to_every_type(shop):
    shop.write(SAME)
    done = bench(shop, "--endpoints", shop.folder, "--database", shop.database)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["model"] == "late_flight"
    assert found["rows"] == "200 rows made at random to the columns"
    [stage] = found["stages"]
    assert stage["answered"] > 0
    assert stage["errors"] == {}


def test_keys_of_stored_features_come_from_a_file(shop, tmp_path):
    """Made-up ones are not there, and the endpoint says so."""
    shop.write(JOINED.format(join="JOIN"))
    options = ["--endpoints", shop.folder, "--database", shop.database, "--online", shop.online]
    refused = bench(shop, *options)
    assert refused.exit_code == 1
    assert "weather has no row for origin" in refused.stdout
    with duckdb.connect() as connection:
        rows = "SELECT 'JFK' AS origin, 700.5::DECIMAL(9,2) AS distance"
        connection.execute(f"COPY ({rows}) TO '{tmp_path / 'rows.parquet'}'")
    done = bench(shop, *options, "--rows", tmp_path / "rows.parquet")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["stages"][0]["answered"] > 0


def test_endpoints_are_of_a_server_that_is_started(shop):
    done = bench(shop, "--endpoints", shop.folder, "--url", "http://127.0.0.1:9")
    assert done.exit_code == 2
    assert "not of --url" in done.stderr
