"""The case on a real bus with a real worker that is really killed, as short as its story allows."""

import json
import shlex
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from children import child
from click.testing import CliRunner
from rich.console import Console

from foresql.cli import main
from foresql.demo import DemoError
from foresql.demo.stream import run_stream_demo
from foresql.demo.stream.check import check_all, read_found
from foresql.demo.stream.closing import print_next_commands
from foresql.demo.stream.folder import Folder
from foresql.demo.stream.machines import MACHINES
from foresql.demo.stream.traffic import PARTITIONS, Story, plan_traffic
from foresql.streams.events.bus import running_bus

SECONDS, RATE = 8, 500
FAILING = MACHINES[Story().failing]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run it once, as a user would."""
    folder = tmp_path_factory.mktemp("run") / "pumps"
    size = ["--seconds", str(SECONDS), "--rate", str(RATE)]
    done = subprocess.run(
        [sys.executable, "-m", "foresql.cli", "demo-stream", *size, "--folder", folder, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout), Folder(folder)


@pytest.fixture
def traffic():
    return plan_traffic(round(SECONDS * RATE / len(MACHINES)), Story())


def test_all_checks_held(run):
    figures, _ = run
    assert [check["ok"] for check in figures["checks"]] == [True] * 4
    assert figures["worker_kills"] == 1
    assert figures["latency_seconds"]["p50"] <= figures["latency_seconds"]["p99"]


def test_what_came_out_is_what_was_planned(run, traffic):
    figures, _ = run
    assert figures["messages"] == len(traffic.messages)
    assert figures["scored"] == traffic.events.num_rows
    assert figures["dead_letters"] == {
        "decode": traffic.malformed,
        "late": traffic.late,
        "time": traffic.future,
    }


def test_both_versions_scored_and_the_table_says_from_where(run):
    versions = run[0]["versions"]
    assert [each["model_version"] for each in versions] == ["1,1", "2,1"]
    assert all(len(each["first_offsets"]) == PARTITIONS for each in versions)
    assert sum(each["scored"] for each in versions) == run[0]["scored"]


def test_the_alert_of_the_failing_machine_opened_and_closed(run):
    events = [each["alert"] for each in run[0]["alerts"] if each["machine"] == FAILING]
    assert events
    assert events == ["opened", "closed"] * (len(events) // 2)


def test_nothing_runs_any_more(run):
    assert_nothing_runs(run[1].path)


@pytest.mark.parametrize("column", ["failure_probability", "vibration_now"])
def test_one_bit_is_seen(run, traffic, column):
    _, folder = run
    found = read_found(folder.database)
    values = found.predictions[column].to_numpy().copy()
    values[7] = np.nextafter(values[7], np.inf)
    place = found.predictions.column_names.index(column)
    wrong = found.predictions.set_column(place, column, pa.array(values))
    found = found._replace(predictions=wrong)
    checks = check_all(found, traffic, folder.registry, FAILING, found.alerts)
    assert [check.holds for check in checks] == [False, True, True, True]


def test_what_lacks_is_seen(run, traffic):
    _, folder = run
    found = read_found(folder.database)
    short = found._replace(predictions=found.predictions.slice(1))
    checks = check_all(short, traffic, folder.registry, FAILING, found.alerts[1:])
    assert [check.holds for check in checks] == [False, False, True, False]


def test_the_printed_commands_work(run):
    _, folder = run
    console = Console(file=StringIO(), width=80)
    print_next_commands(console, folder)
    commands = [
        line for line in console.file.getvalue().splitlines() if line.startswith("foresql ")
    ]
    assert len(commands) == 6
    for command in commands[:-2]:  # the last two go on until they are ended
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output


def test_the_worker_can_go_on(run):
    """The bus as it was, and the same definition: what was scored stays as it is."""
    figures, folder = run
    go_on = ["worker", "run", folder.definition, "--registry", folder.registry, "--until-empty"]
    bus = ["bus", "run", "--store", str(folder.bus), "--port", folder.port]
    foresql = [sys.executable, "-m", "foresql.cli"]
    with child([*foresql, *bus], stdout=subprocess.PIPE, text=True) as server:
        assert folder.port in server.stdout.readline()  # it listens
        done = subprocess.run([*foresql, *go_on], capture_output=True, text=True, check=False)
        server.terminate()
    assert server.returncode == 0
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(folder.database), read_only=True) as connection:
        counted = connection.execute("SELECT count(*) FROM predictions").fetchone()
    assert counted == (figures["scored"],)


def test_the_server_ends_with_the_block(tmp_path):
    with pytest.raises(RuntimeError), running_bus(tmp_path / "bus", tmp_path / "log"):
        raise RuntimeError
    assert_nothing_runs(tmp_path)


CLOSED = """
import sys, time
from pathlib import Path
from foresql.streams.events.bus import ending_with_terminal, running_bus

with ending_with_terminal(), running_bus(Path(sys.argv[1]) / "bus", Path(sys.argv[1]) / "log"):
    print("runs", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_the_server_ends_with_the_terminal(tmp_path, number):
    command = [sys.executable, "-c", CLOSED, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "runs\n"
        process.send_signal(number)
    assert process.returncode != 0
    assert_nothing_runs(tmp_path)


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(DemoError, match="holds something already"):
        run_stream_demo(Console(quiet=True), folder=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_too_short_a_story_is_refused(tmp_path):
    with pytest.raises(DemoError, match="give more by --seconds or --rate"):
        run_stream_demo(Console(quiet=True), seconds=5, rate=50, folder=str(tmp_path / "pumps"))
    assert not (tmp_path / "pumps").exists()


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("foresql.demo.stream.run._NEEDED", ("pandas", "no-such-package"))
    with pytest.raises(DemoError, match=r"no-such-package.*\n.*foresql\[demo-stream\]"):
        run_stream_demo(Console(quiet=True), folder=str(tmp_path / "pumps"))
    assert not (tmp_path / "pumps").exists()


def assert_nothing_runs(folder):
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes()
        except OSError:
            continue
        assert str(folder).encode() not in words
