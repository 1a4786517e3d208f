"""``foresql worker``: checked, run, looked at."""

import json

import msgspec  # noqa: F401 - its C part looks modules up in the interpreter's own sys.modules
import pytest

DEFINITION = """
name = "returns"
sql = "SELECT id, predict_returns(e) AS back FROM events e"
[source]
bus = "file:*.jsonl"
[events]
columns = { id = "BIGINT", zip = "VARCHAR", total = "DOUBLE" }
[sink]
to = "duckdb:scores.duckdb"
"""


@pytest.fixture
def file(shop):
    lines = [json.dumps({"id": n, "zip": "01067", "total": n * 10.0}) for n in range(20)]
    (shop / "a.jsonl").write_text("\n".join([*lines, "[/b] no JSON", ""]))
    path = shop / "worker.toml"
    path.write_text(DEFINITION)
    return path


def test_check_says_what_would_happen_and_does_nothing(file, run, run_json, shop):
    found = run_json("worker", "check", file)
    assert found["models"] == ["returns:1"]
    assert found["exactly_once"] is True
    assert list(found["predictions"])[:4] == ["event_partition", "event_offset", "id", "back"]
    printed = run("worker", "check", file).stdout
    assert "guarantee:    exactly once" in printed
    assert not (shop / "scores.duckdb").exists()


def test_check_says_that_a_topic_of_kafka_is_at_least_once(file, run, run_json):
    file.write_text(DEFINITION.replace("duckdb:scores.duckdb", "kafka://127.0.0.1:1/scores"))
    assert run_json("worker", "check", file)["exactly_once"] is False
    assert "guarantee:    at least once" in run("worker", "check", file).stdout


def test_a_query_that_is_refused_ends_with_the_reason(file, run):
    file.write_text(DEFINITION.replace("SELECT id", "SELECT id, random() AS luck"))
    assert "random" in run("worker", "check", file, code=1).stderr


def test_run_ends_when_nothing_waits(file, run, run_json):
    found = run_json("worker", "run", file, "--until-empty")
    assert (found["events"], found["predictions"]) == (21, 20)
    assert found["dead_letters"] == {"decode": 1}
    assert run("worker", "run", file, "--until-empty").stdout.startswith("0 events")
    run("worker", "run", file, "--flush", code=2)


def test_status_and_dead_say_what_was_done(file, run, run_json):
    assert "No worker wrote" in run("worker", "status", file, code=1).stderr
    run("worker", "run", file, "--until-empty")
    found = run_json("worker", "status", file)
    assert [(row["partition"], row["events"]) for row in found["positions"]] == [("a.jsonl", 21)]
    [stretch] = found["versions"]
    assert (stretch["model_version"], stretch["first_offset"], stretch["predictions"]) == (
        "1",
        0,
        20,
    )
    assert found["dead_letters"] == {"decode": 1}
    assert "20 predictions; dead letters: 1 at decode." in run("worker", "status", file).stdout
    [letter] = run_json("worker", "dead", file)
    assert (letter["step"], letter["payload"]) == ("decode", "[/b] no JSON")
    assert "decode" in run("worker", "dead", file).stdout


@pytest.mark.parametrize("sink", ["duckdb:scores.duckdb", "parquet:scores"])
def test_versions_are_told_by_stretches_of_offsets(file, run, run_json, shop, sink):
    file.write_text(DEFINITION.replace("duckdb:scores.duckdb", sink))
    for version in (1, 2, 1):
        run("promote", "returns@champion", version)
        run("worker", "run", file, "--until-empty")
        with (shop / "a.jsonl").open("a") as lines:
            lines.write('{"id": 1, "zip": "01067", "total": 1}\n')
    found = run_json("worker", "status", file)["versions"]
    assert [(row["model_version"], row["predictions"]) for row in found] == [
        ("1", 20),
        ("2", 1),
        ("1", 1),
    ]
