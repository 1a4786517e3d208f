"""``foresql compile``: forms, files, errors with ways out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

FORESQL = Path(sys.executable).with_name("foresql")
COMPILE = ("compile", "returns@champion")


def test_a_query_for_the_screen(run):
    text = run(*COMPILE, "--to", "duckdb", "--from", "shop.orders", "--keep", "id").output
    assert text.startswith("-- Model returns:1, bundle sha256 ")
    assert "-- Strategy of the forests: " in text
    assert "FROM shop.orders" in text
    assert text.endswith(";\n")


def test_the_text_does_not_depend_on_the_process(shop):
    texts = set()
    for seed in ("0", "1"):
        done = subprocess.run(
            [FORESQL, *COMPILE, "--to", "duckdb", "--as", "macro"],
            cwd=shop, env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        texts.add(done.stdout)
    assert len(texts) == 1


def test_a_script_in_one_file(run, shop):
    run(*COMPILE, "--to", "duckdb", "--as", "tables", "-o", "returns.sql")
    with duckdb.connect() as connection:
        connection.execute((shop / "returns.sql").read_text())
        connection.execute("CREATE TABLE orders AS FROM 'train.parquet'")
        assert len(connection.sql("FROM score_returns('orders')").fetchall()) == 300


def test_a_file_of_somebody_else_stays(run, run_json, shop):
    given = (*COMPILE, "--to", "duckdb", "--as", "macro", "-o", "mine.sql")
    (shop / "mine.sql").write_text("-- mine")
    assert "--overwrite" in run_json(*given, code=1)["error"]["message"]
    assert (shop / "mine.sql").read_text() == "-- mine"
    run(*given, "--overwrite")
    run(*given)
    assert (shop / "mine.sql").read_text().startswith("-- Model returns:1")


def test_a_folder(run, run_json, shop):
    given = (*COMPILE, "--to", "duckdb", "--as", "tables", "--from", "orders", "-o", "out")
    printed = run_json(*given)
    assert printed["files"] == ["out/2_score.sql", "out/foresql.json"]
    assert printed["sql"]["out/2_score.sql"] == (shop / "out/2_score.sql").read_text()
    manifest = json.loads((shop / "out" / "foresql.json").read_text())
    assert (manifest["model"], manifest["target"]) == ("returns:1", "duckdb")
    assert "--overwrite" in run_json(*given, code=1)["error"]["message"]
    assert run(*given, "--overwrite").output.splitlines() == printed["files"]


def test_a_model_of_dbt(run, run_json, shop):
    given = (*COMPILE, "--to", "snowflake", "--as", "dbt", "--keep", "id")
    assert "FROM {{ ref('orders') }}" in run(*given, "--from", "orders").output
    assert (
        "no dbt project"
        in run_json(*given, "--from", "orders", "-o", ".", code=1)["error"]["message"]
    )
    (shop / "dbt_project.yml").write_text("name: shop\n")
    run(*given, "--from", "source('shop', 'orders')", "-o", ".")
    assert "{{ source('shop', 'orders') }}" in (shop / "models/score_returns.sql").read_text()
    assert "not_null, unique" in (shop / "models/score_returns.yml").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "duckdb"), "--from flights"),
        (("--to", "sqlite", "--as", "macro"), "use one of select, view, tables, dbt"),
        (("--to", "duckdb", "--as", "dbt"), "ref('flights')"),
        (("--to", "duckdb", "--from", "a b c"), "not the name of a table"),
        (("--to", "duckdb", "--from", "t; DROP TABLE t"), "not the name of a table"),
        (("--to", "duckdb", "--from", "t", "--keep", "margin"), "--keep"),
        (("--to", "duckdb", "--as", "macro", "--from", "t"), "where it is called"),
        (("--to", "postgres", "--as", "function", "--from", "t"), "where it is called"),
        (("--to", "duckdb", "--from", "t", "--name", ""), "it is empty"),
        (("--to", "duckdb", "--from", "t", "-o", "none/a.sql"), "cannot be written"),
        (("--to", "duckdb", "--from", "t", "--as", "tables", "-o", "train.csv/x"), "written"),
    ],
)
def test_an_error_says_what_to_do(run_json, options, message):
    assert message in run_json(*COMPILE, *options, code=1)["error"]["message"]


@pytest.mark.parametrize("options", [("--to", "oracle"), ("--to", "duckdb", "--strategy", "none")])
def test_wrong_usage_names_the_choices(run, options):
    assert "is not one of" in run(*COMPILE, *options, code=2).output


def test_a_stage_is_for_files(run):
    printed = run(*COMPILE, "--to", "duckdb", "--from", "t", "--stage", "s3://a/b", code=2).output
    assert "--output FOLDER" in printed


def test_help_has_an_example_of_each_form(run):
    printed = run("compile", "--help").output
    assert all(f"--as {form}" in printed for form in ("view", "macro", "tables", "dbt"))
