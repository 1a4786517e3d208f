"""The whole demo, on three days of each month."""

import json
import shlex
import subprocess
import sys

import duckdb
import pytest
from rich.console import Console

from foresql.demo import DemoError, run_demo
from foresql.demo.train import NOT_TRAINED_ON, read_split

OUTCOMES = {"arr_delay", "arrival_delay", "dep_delay", "departure_delay", "air_time", "is_late"}


def test_the_figures_are_json(demo_run):
    figures = json.loads(json.dumps(demo_run.figures))
    assert figures == demo_run.figures
    assert figures["rows"]["flights"] == demo_run.flights


def test_every_flight_is_scored_once_and_none_again(demo_run):
    assert demo_run.figures["scoring"]["rows"] == demo_run.flights
    assert demo_run.figures["scoring"]["rows_second_build"] == 0


def test_both_models_rank_later_flights_and_are_certified(demo_run):
    champion, challenger = demo_run.figures["models"]
    assert (champion["alias"], challenger["alias"]) == ("champion", "challenger")
    for model in (champion, challenger):
        assert 0.6 < model["auc"] < 0.9
        assert model["certificate_rows"] >= 10_000
        assert model["largest_difference"] <= 1e-15


def test_answers_cover_the_test_period(demo_run):
    with duckdb.connect(demo_run.workspace.database, read_only=True) as connection:
        expected = connection.execute(
            "select count(*) from flight_features join flight_outcomes using (flight_id) "
            "where month >= 10 and is_late is not null"
        ).fetchone()
    for answer in demo_run.figures["queries"].values():
        assert sum(row["flights"] for row in answer["rows"]) == expected[0]


def test_hours_are_printed_and_dbt_does_not_warn(demo_run):
    assert "Late arrivals by hour" in demo_run.printed
    assert "warn" not in (demo_run.workspace.logs / "build.log").read_text().lower().replace(
        "warn=0", ""
    ).replace("0 warnings", "")


def test_the_printed_commands_work(demo_run):
    commands = [line for line in demo_run.printed.splitlines() if line.startswith("foresql ")]
    assert len(commands) == 4
    for command in commands:
        words = [sys.executable, "-m", "foresql.cli", *shlex.split(command)[1:]]
        finished = subprocess.run(words, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
    with duckdb.connect() as connection:
        scored = connection.read_parquet(str(demo_run.workspace.folder / "scored.parquet"))
        assert scored.shape[0] == demo_run.flights


def test_nothing_is_written_where_a_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("foresql.demo.requirements.NEEDED", ("pandas", "no-such-package"))
    with pytest.raises(DemoError, match=r"needs no-such-package.*\n.*foresql\[demo\]"):
        run_demo(tmp_path / "demo", Console(quiet=True))
    assert not (tmp_path / "demo").exists()


def test_the_split_is_by_time_and_has_no_outcome(demo_run):
    split = read_split(demo_run.workspace.database)
    assert not OUTCOMES & set(split.train_features.columns)
    assert not set(NOT_TRAINED_ON) & set(split.train_features.columns)
    with duckdb.connect(demo_run.workspace.database, read_only=True) as connection:
        counts = connection.execute(
            "select count(*) from flight_features join flight_outcomes using (flight_id) "
            "where is_late is not null group by flight_date >= '2013-10-01' order by all desc"
        ).fetchall()
    assert [len(split.train_labels), len(split.test_labels)] == [count for (count,) in counts]
    assert split.train_features.isna().any().any()


@pytest.mark.parametrize("name", ["flight_features.parquet", "flights.duckdb", "registry"])
def test_the_folder_is_left_to_go_on_with(demo_run, name):
    assert (demo_run.workspace.folder / name).exists()
