"""``foresql stream`` and ``foresql task`` in a DuckDB file."""

import json

import duckdb
import pytest

SCORING = "SELECT zip, id, predict_returns(r) AS back FROM returns r WHERE total > 1"


@pytest.fixture
def file(shop):
    path = shop / "w.duckdb"
    with duckdb.connect(path) as con:
        con.execute(
            "CREATE TABLE returns AS SELECT row_number() OVER () AS id, * FROM 'train.parquet'"
        )
    (shop / "scoring.sql").write_text(SCORING)
    return path


def change(file, statement):
    with duckdb.connect(file) as con:
        con.execute(statement)


@pytest.fixture
def made(file, run):
    run("stream", "create", "changes", "--on", "returns", "--key", "id", "--database", file)
    asked = ("--stream", "changes", "--query", "scoring.sql", "--into", "scored")
    printed = run("task", "create", "scoring", *asked, "--database", file).stdout
    assert "Made the task scoring: changes into scored. It is suspended" in printed
    return file


def test_a_stream_is_made_shown_listed_and_dropped(file, run, run_json):
    asked = ("--on", "returns", "--key", "ID", "--append-only", "--watermark", "id")
    described = run_json("stream", "create", "changes", *asked, "--database", file)
    assert described["mode"] == "APPEND_ONLY"
    change(file, "INSERT INTO returns VALUES (1000, 5, '01067')")
    shown = run_json("stream", "show", "changes", "--database", file)
    assert shown["changes"] == {"inserted": 1, "updated": 0, "deleted": 0}
    assert (
        "changes: 1 inserted, 0 updated"
        in run("stream", "show", "changes", "--database", file).stdout
    )
    assert [row["name"] for row in run_json("stream", "list", "--database", file)] == ["changes"]
    assert "APPEND_ONLY" in run("stream", "list", "--database", file).stdout
    failed = run("stream", "create", "changes", *asked, "--database", file, code=1)
    assert "--replace" in failed.stderr
    run(
        "stream",
        "create",
        "changes",
        *asked,
        "--show-initial-rows",
        "--replace",
        "--database",
        file,
    )
    run("stream", "drop", "changes", "--database", file)
    assert run("stream", "list", "--database", file).stdout == "None.\n"


def test_changes_are_read_as_sql(made, run_json):
    change(made, "DELETE FROM returns WHERE id = 7")
    query = 'SELECT id, "METADATA$ACTION" AS action FROM changes'
    assert run_json("sql", query, "--database", made) == [{"id": 7, "action": "DELETE"}]


def test_a_task_runs_once(made, run):
    once = ("task", "run", "scoring", "--database", made)
    assert "scoring: SUCCEEDED, scored 300 rows (all) with returns 1" in run(*once).stdout
    assert "SKIPPED, the stream has no data" in run(*once).stdout
    change(made, "DELETE FROM returns WHERE id = 7")
    done = json.loads(run(*once, "--json").stdout)
    assert (done["state"], done["rows_deleted"], done["rows_scored"]) == ("SUCCEEDED", 1, 0)
    assert "(all)" in run(*once, "--full").stdout


def test_without_names_the_started_tasks_run(made, run, run_json):
    assert run("task", "run", "--database", made).stdout == ""
    assert run("task", "resume", "scoring", "--database", made).stdout == "scoring is started.\n"
    assert "SUCCEEDED" in run("task", "run", "--database", made).stdout
    assert run_json("task", "suspend", "scoring", "--database", made)["state"] == "suspended"
    [listed] = run_json("task", "list", "--database", made)
    assert listed["condition"] == "SYSTEM$STREAM_HAS_DATA('changes')"
    assert "suspended" in run("task", "list", "--database", made).stdout


def test_a_failure_is_an_exit_code_and_history(made, run, run_json):
    change(made, "INSERT INTO returns SELECT * FROM returns LIMIT 1")
    failed = run("task", "run", "scoring", "--database", made, code=1)
    assert "FAILED. Several rows of returns have one key" in failed.stderr
    [kept] = run_json("task", "history", "scoring", "--limit", "5", "--database", made)
    assert kept["state"] == "FAILED"
    assert "FAILED" in run("task", "history", "--database", made).stdout
    run("task", "drop", "scoring", "--database", made)
    assert run("task", "list", "--database", made).stdout == "None.\n"


def test_one_definition_is_a_snowflake_task_too(made, run, run_json):
    printed = run("task", "compile", "scoring", "--to", "snowflake", "--database", made).stdout
    asked = ("--into", "scored", "--key", "id", "--dry-run")
    assert printed == run("task", "scoring.sql", "--to", "snowflake", *asked).stdout
    assert printed == run("task", "snowflake", "scoring.sql", "--to", "snowflake", *asked).stdout
    assert printed == run("task", "--to", "snowflake", *asked, "scoring.sql").stdout
    other = ("--source", "A.B.ROWS", "--into", "PREDICTIONS", "--set", "serving=ANALYTICS")
    options = ("--to", "snowflake", *other, "-o", "task.sql", "--database", made)
    script = run_json("task", "compile", "scoring", *options)["script"]
    assert 'ON TABLE "A"."B"."ROWS"' in script
    assert '"FORESQL"."ANALYTICS"."PREDICTIONS_TASK"' in script


@pytest.mark.parametrize(
    "arguments",
    [
        ("stream", "create", "s", "--database", "w.duckdb"),
        ("stream", "nothing"),
        ("task", "nothing.sql", "--to", "snowflake"),
        ("task", "create", "t", "--database", "w.duckdb"),
        ("task", "run", "--watch", "--full", "--database", "w.duckdb"),
    ],
)
def test_wrong_usage(file, run, arguments):
    assert file.exists()
    assert "Usage: " in run(*arguments, code=2).stderr


def test_a_command_that_does_not_exist_is_no_query(run):
    assert "No such command 'rnu'" in run("task", "rnu", "scoring", code=2).stderr
    assert "'QUERY'" in run("task", "gone.sql", "--key", "id", code=2).stderr


def test_a_file_that_is_not_there(run):
    for arguments in (("stream", "list"), ("task", "run")):
        failed = run(*arguments, "--database", "nothing.duckdb", "--wait", "0", code=1)
        assert "There is no database file nothing.duckdb" in failed.stderr
