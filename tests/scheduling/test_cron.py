"""Cron expressions mean the same to every scheduler, or are refused."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from foresql.scheduling.cron import next_runs, parse_cron, read_timezone
from foresql.scheduling.errors import ScheduleError
from foresql.scheduling.schedule import parse_seconds

EXPRESSIONS = {
    "5 * * * *": "5 * * * *",
    "*/15 6-18 * * mon-fri": "0,15,30,45 6-18 * * 1-5",
    "0 0 * * 7": "0 0 * * 0",
    "0 0 * * 5-7": "0 0 * * 0,5,6",
    "0 0 * * Sun,Wed": "0 0 * * 0,3",
    "7/20 3 */10 feb,Apr *": "7,27,47 3 1,11,21,31 2,4 *",
    "10-30/10,59 23 1 * *": "10,20,30,59 23 1 * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_is_written_in_numbers(text):
    assert str(parse_cron(text)) == EXPRESSIONS[text]
    assert parse_cron(EXPRESSIONS[text]) == parse_cron(text)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_clock_runs_when_the_fields_say(text):
    """Counted minute by minute, with cron's own days of the week: 0 is Sunday."""
    cron = parse_cron(text)
    runs = next_runs(cron, UTC, 40)
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    expected, time = [], start
    while time <= runs[-1]:
        if (
            time.minute in cron.minutes
            and time.hour in cron.hours
            and time.day in cron.days
            and time.month in cron.months
            and time.isoweekday() % 7 in cron.weekdays
        ):
            expected.append(time)
        # Whole days that cannot match are passed over.
        matches = time.day in cron.days and time.month in cron.months
        time += (
            timedelta(minutes=1)
            if matches
            else timedelta(days=1) - timedelta(hours=time.hour, minutes=time.minute)
        )
    # A minute may pass between the two.
    assert runs[1:] == expected[-39:]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_systemd_runs_at_the_same_times(text):
    calendar = parse_cron(text).calendar("Europe/Berlin")
    printed = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=10", calendar],
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d):00 UTC", printed)
    expected = next_runs(parse_cron(text), ZoneInfo("Europe/Berlin"), 10)
    assert found[1:] == [f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" for time in expected[1:]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has 0 fields"),
        ("5", "has one field"),
        ("* * * * * *", "has 6 fields"),
        ("@reboot", "has one field"),
        ("60 * * * *", "'60' as minute, which is a number from 0 to 59"),
        ("* 24 * * *", "'24' as hour"),
        ("* * 0 * *", "'0' as day of the month"),
        ("* * * 13 *", "'13' as month, which is a number from 1 to 12, or jan to dec"),
        ("* * * * 8", "'8' as day of the week, which is a number from 0 to 6, or sun to sat"),
        ("* * L * *", "'l' as day of the month"),
        ("*/0 * * * *", "'*/0' as minute"),
        ("9-5 * * * *", "'9-5' as minute"),
        ("1- * * * *", "'1-' as minute"),
        ("1,, * * * *", "'' as minute"),
        ("0 0 1 * mon", "days of the month and days of the week"),
        ("0 0 */2 * 1", "write two schedules"),
    ],
)
def test_what_is_no_expression_is_refused(text, told):
    with pytest.raises(ScheduleError) as caught:
        parse_cron(text)
    assert told in str(caught.value)
    assert "What to do" in str(caught.value)


def test_what_never_comes_true_is_refused():
    with pytest.raises(ScheduleError, match="never comes true"):
        next_runs(parse_cron("0 0 31 2 *"), UTC)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "UTC+25"])
def test_unknown_time_zones_are_refused(name):
    with pytest.raises(ScheduleError, match="IANA name"):
        read_timezone(name)


def test_times_are_those_of_the_zone():
    for time in next_runs(parse_cron("30 6 * * *"), ZoneInfo("Asia/Kolkata"), 3):
        assert (time.hour, time.minute) == (6, 30)
        assert (time.astimezone(UTC).hour, time.astimezone(UTC).minute) == (1, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("2 d", 172_800)],
)
def test_durations(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10x", "-5s", "5m soon"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ScheduleError, match="no duration"):
        parse_seconds(text)
