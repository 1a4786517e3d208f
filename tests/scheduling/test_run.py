"""One run: the lock, further attempts, what follows, and how it is stopped."""

import os
import signal
import threading
import time
from datetime import UTC, datetime

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from children import PATIENCE
from click.testing import CliRunner

from foresql.cli import main
from foresql.scheduling.clock import keep_running
from foresql.scheduling.cron import parse_cron
from foresql.scheduling.dbt_process import Ended
from foresql.scheduling.errors import ScheduleError
from foresql.scheduling.failures import explain
from foresql.scheduling.logs import LOG
from foresql.scheduling.run import ExitCode, run_schedule
from foresql.scheduling.schedule import Schedule

DATABASE_ERROR = {"unique_id": "model.shop.mart", "status": "error", "message": "Database Error x"}
COMPILATION = DATABASE_ERROR | {"message": "Compilation Error in model mart"}
TEST_FAILED = {"unique_id": "test.shop.t", "status": "fail", "message": "Got 3 results"}
LOCKED = (
    'IO Error: Could not set lock on file "/data/shop.duckdb": Conflicting lock is held in '
    f"/usr/bin/python3.11 (PID {os.getpid()}) by user ana. See also https://duckdb.org"
)


@pytest.fixture
def here(shop, monkeypatch, caplog):
    """Run a schedule in this process, and keep what it says."""
    monkeypatch.setenv("PYTHONPATH", shop.environment["PYTHONPATH"])
    LOG.addHandler(caplog.handler)

    class Here:
        told = property(lambda _: caplog.text)

        def __call__(self, **options):
            return run_schedule(Schedule(shop.folder, "shop", **options), threading.Event())

    yield Here()
    LOG.removeHandler(caplog.handler)


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
    return found


def test_dbt_is_told_what_to_build_and_whose_run_it_is(shop):
    options = ("--select", "tag:predictions", "--select", "+mart", "--exclude", "big")
    shop.run("--once", "--name", "hourly", *options, "--target", "local", "--", "--full-refresh")
    (start,) = shop.happened("start")
    select = ["--select", "tag:predictions", "+mart", "--exclude", "big", "--target", "local"]
    project = ["--project-dir", str(shop.folder), "--no-use-colors"]
    assert start["arguments"] == ["build", *select, *project, "--full-refresh"]
    assert (start["FORESQL_SCHEDULE"], start["FORESQL_ATTEMPT"]) == ("hourly", "1")
    log = (shop.folder / ".foresql/logs/hourly.log").read_text()
    assert "INFO hourly: done in " in log
    assert (shop.folder / ".foresql/.gitignore").read_text() == "*\n"


def test_what_may_pass_is_tried_again(shop, here):
    shop.dbt_does({"code": 1, "results": [DATABASE_ERROR]}, {"code": 2, "prints": "boom"}, {})
    assert here(retries=5, retry_seconds=0.01) == ExitCode.DONE
    assert [start["FORESQL_ATTEMPT"] for start in shop.happened("start")] == ["1", "2", "3"]
    assert "failed. model.shop.mart: Database Error x\nTrying again in 0.01 s." in here.told
    assert "failed. boom\n" in here.told


def test_attempts_end(shop, here):
    shop.dbt_does({"code": 1, "results": [DATABASE_ERROR]})
    assert here(retries=1, retry_seconds=0) == ExitCode.FAILED
    assert len(shop.happened("start")) == 2
    assert "It is not tried again." in here.told


def test_what_cannot_pass_is_not_tried_again(shop, here):
    shop.dbt_does({"code": 1, "results": [COMPILATION, TEST_FAILED]}, {})
    assert here(retries=5, retry_seconds=0) == ExitCode.FAILED
    assert len(shop.happened("start")) == 1
    assert "Trying again cannot help." in here.told


def test_results_of_an_earlier_run_are_not_this_ones(shop, here):
    (shop.folder / "target").mkdir()
    (shop.folder / "target/run_results.json").write_text(
        '{"metadata": {"generated_at": "2020-01-01T00:00:00Z"}, "results": '
        '[{"unique_id": "model.old", "status": "error", "message": "Compilation Error"}]}'
    )
    shop.dbt_does({"code": 2, "prints": "no connection"}, {})
    assert here(retries=1, retry_seconds=0) == ExitCode.DONE
    assert "failed. no connection" in here.told


@pytest.mark.parametrize(
    ("printed", "is_final"),
    [
        ("08:00:00  Encountered an error:\nCompilation Error\n  no such macro", True),
        ("Encountered an error:\nParsing Error\n  Env var required but not provided: 'X'", True),
        ("Usage: dbt build [OPTIONS]\n\nError: No such option: --nonsense", True),
        ("Encountered an error:\nRuntime Error\n  Could not find profile named 'x'", True),
        ("Encountered an error:\nDatabase Error\n  connection refused", False),
        ("", False),
        (LOCKED, False),
    ],
)
def test_what_dbt_printed_says_whether_trying_again_can_help(tmp_path, printed, is_final):
    ended = Ended(2, tuple(printed.splitlines()), timed_out=False)
    failure = explain(ended, tmp_path, datetime.now(UTC))
    assert failure.is_final is is_final
    assert "Encountered" not in failure.message


def test_a_locked_database_names_who_holds_it(tmp_path):
    ended = Ended(2, (LOCKED,), timed_out=False)
    told = explain(ended, tmp_path, datetime.now(UTC)).message
    assert told.startswith(
        f"/data/shop.duckdb is open in another process: /usr/bin/python3.11, process {os.getpid()}"
    )
    assert "foresql publish-serving" in told


def test_a_quiet_run_says_nothing_until_it_fails(shop):
    shop.dbt_does({"prints": "all well"}, {"code": 1, "prints": "what led to it"})
    assert shop.run("--once", "--quiet") == ""
    printed = shop.run("--once", "--quiet", code=1)
    assert "| what led to it" in printed
    assert "ERROR shop: failed. what led to it" in printed


def test_what_takes_too_long_is_interrupted(shop, here):
    shop.dbt_does({"sleep": 600})
    assert here(timeout=1) == ExitCode.TIMED_OUT
    assert "--timeout" in here.told
    assert not shop.happened("end")


def test_what_follows_runs_after_success_only(shop, here):
    assert here(then=("touch 'a file' %s $HOME;x", "touch second")) == ExitCode.DONE
    names = {path.name for path in shop.folder.iterdir()}
    assert {"a file", "%s", "$HOME;x", "second"} <= names
    shop.dbt_does({"code": 1})
    assert here(then=("touch third",)) == ExitCode.FAILED
    assert not (shop.folder / "third").exists()


def test_what_follows_may_fail(shop, here):
    assert here(then=("false", "touch never")) == ExitCode.FAILED
    assert "what follows failed with the exit code 1: false" in here.told
    assert not (shop.folder / "never").exists()
    with pytest.raises(ScheduleError, match="no-such-program cannot be started"):
        here(then=("no-such-program",))


def test_two_at_once(shop):
    shop.dbt_does({"sleep": 600}, {})
    first = shop.start("run", "--once", "--name", "hourly")
    wait_for(lambda: shop.happened("start"))
    printed = shop.run("--once", "--name", "nightly", code=75)
    assert f"the schedule hourly, process {first.pid} on " in printed
    assert "--wait 10m" in printed
    waiting = shop.start("run", "--once", "--name", "nightly", "--wait", "60s")
    time.sleep(0.5)
    assert len(shop.happened("start")) == 1
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=PATIENCE)
    waiting.communicate(timeout=PATIENCE)
    assert (first.returncode, waiting.returncode) == (143, 0)
    assert [event["event"] for event in shop.events] == ["start", "interrupted", "start", "end"]


def test_a_killed_scheduler_takes_dbt_along_and_nothing_runs_beside_it(shop):
    shop.dbt_does({"sleep": 600, "ends_after": "its queries are cancelled"}, {})
    process = shop.start("run", "--once")
    wait_for(lambda: shop.happened("start"))
    process.kill()
    process.communicate(timeout=PATIENCE)
    # dbt still ends its queries: nobody begins before it is gone.
    printed = shop.run("--once", code=75)
    assert "dbt, whose scheduler was killed, is still under way" in printed
    (shop.folder / "its queries are cancelled").touch()
    shop.run("--once", "--wait", "60s")
    assert [event["event"] for event in shop.events] == ["start", "interrupted", "start", "end"]


def test_the_clock_runs_it_again_and_again_until_it_is_told_to_stop(shop, monkeypatch, caplog):
    """By the trigger of a second, in this process; a run that takes longer leaves out others."""
    monkeypatch.setenv("PYTHONPATH", shop.environment["PYTHONPATH"])
    shop.dbt_does({"code": 1}, {"sleep": 2.5}, {"sleep": 600})
    schedule, stop = Schedule(shop.folder, "often"), threading.Event()
    ended = []
    LOG.addHandler(caplog.handler)
    clock = threading.Thread(
        target=lambda: ended.append(keep_running(schedule, stop, IntervalTrigger(seconds=1)))
    )
    try:
        clock.start()
        wait_for(lambda: len(shop.happened("start")) == 3)
        stop.set()
        clock.join(60)
    finally:
        stop.set()
        LOG.removeHandler(caplog.handler)
    assert ended == [ExitCode.TERMINATED]
    events = [event["event"] for event in shop.events]
    assert events == ["start", "end", "start", "end", "start", "interrupted"]
    assert "often: its time came while it still ran: left out" in caplog.text
    assert "often: failed; next run " in caplog.text


def test_a_signal_that_comes_before_the_clock_starts_stops_it_too(shop):
    stop = threading.Event()
    stop.set()
    ended = []
    schedule = Schedule(shop.folder, "yearly", parse_cron("@yearly"))
    clock = threading.Thread(target=lambda: ended.append(keep_running(schedule, stop)), daemon=True)
    clock.start()
    clock.join(60)
    assert ended == [ExitCode.TERMINATED]


def test_the_process_says_when_it_runs_and_stops_at_a_signal(shop):
    process = shop.start("run", "--cron", "0 0 1 1 *", "--timezone", "UTC")
    said = [process.stdout.readline() for _ in range(4)]
    assert said[0].endswith("-01-01 00:00+00:00\n")
    assert f"waiting in process {process.pid}" in said[3]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert not shop.events


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--once", "--name", "a b"), "'a b' is no name of a schedule"),
        (("--once", "--timeout", "soon"), "'soon' is no duration"),
        (("--once", "--then", "a 'b"), "is no command: No closing quotation"),
        (("--once", "--select", "a\nb"), "line break"),
        (("--cron", "61 * * * *"), "has '61' as minute"),
        (("--cron", "5 * * * *", "--timezone", "Mars/Base"), "There is no time zone 'Mars/Base'"),
    ],
)
def test_what_makes_no_schedule_is_said(shop, options, told):
    done = CliRunner().invoke(main, ["schedule", "run", "--project", str(shop.folder), *options])
    assert done.exit_code == 1
    assert told in done.stderr


def test_a_folder_without_a_project_is_said(tmp_path):
    done = CliRunner().invoke(main, ["schedule", "run", "--once", "--project", str(tmp_path)])
    assert done.exit_code == 1
    assert "holds no dbt_project.yml" in done.stderr


def test_without_a_time_it_is_wrong_usage(shop):
    done = CliRunner().invoke(main, ["schedule", "run", "--project", str(shop.folder)])
    assert done.exit_code == 2
    assert "--once" in done.stderr
