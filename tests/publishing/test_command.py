"""``foresql publish-serving``: options, output and exit codes."""

import json

import pytest
from click.testing import CliRunner

from foresql.cli import main


@pytest.fixture
def run(shop):
    def start(*options, code=0):
        given = ["publish-serving", "--database", shop.one, "--registry", shop.registry, *options]
        result = CliRunner().invoke(main, [str(each) for each in given])
        assert result.exit_code == code, result.output
        return result

    return start


def test_what_it_prints(run):
    printed = run("--to", "serving.duckdb").stdout.splitlines()
    assert printed == [
        "delay_predictions: 300 rows, 300 written, by delay:1",
        "flight_features: 300 rows, 300 written",
        "marts.by_carrier: 3 rows, 3 written",
        "predict_delay(): delay:1",
        "Published to serving.duckdb",
    ]


def test_json_for_machines(run, postgres):
    found = json.loads(
        run(
            *("--to", postgres.address, "--schema", "bi", "--json"),
            *("--tables", "delay_predictions, flight_features"),
            *("--key", "delay_predictions=flight_id", "--models", "predict_late=delay@champion"),
        ).stdout
    )
    assert [(table["name"], table["key"]) for table in found["tables"]] == [
        ("delay_predictions", ["flight_id"]),
        ("flight_features", []),
    ]
    assert found["functions"] == {"predict_late": "delay:1"}
    assert found["run_id"] == "run-1"
    shown = postgres.psql("SELECT count(bi.predict_late(f)) FROM bi.flight_features AS f", "-At")
    assert shown == "300\n"


def test_failures_have_a_code(run):
    assert "has no table 'nope'" in run("--to", "x.duckdb", "--tables", "nope", code=1).stderr
    error = json.loads(run("--to", "postgresql://a:hush@b/c", "--json", code=1).stdout)["error"]
    assert error["kind"] == "PublishingError"
    assert "hush" not in error["message"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--to", "x.duckdb", "--schema", "s"], "--schema is for Postgres"),
        (["--to", "x.duckdb", "--key", "t=a"], "--key is for Postgres"),
        (["--to", "x.duckdb", "--grant", "r"], "--grant is for Postgres"),
        (["--to", "postgresql://", "--storage-version", "v1.5.0"], "is for a DuckDB file"),
        (["--to", "postgresql://", "--key", "t="], "names no columns"),
        (["--to", "x.duckdb", "--no-models", "--models", "a"], "leave it or --models out"),
        (["--to", "x.duckdb", "--wait", "-1"], "--wait"),
    ],
)
def test_wrong_usage(run, options, problem):
    assert problem in run(*options, code=2).stderr
