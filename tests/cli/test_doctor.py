"""``foresql doctor`` on the fake account."""

import json

import pytest
from doctor_account import DoctorAccount

import foresql.cli.doctor as command

QUICK = ("--only", "nan-order", "--only", "failing-check")


@pytest.fixture
def account(monkeypatch):
    """An account to which every connection leads; the settings that were asked for."""
    made = DoctorAccount()
    made.asked = []

    def connect(name, **settings):
        made.asked.append((name, settings))
        return made.session

    monkeypatch.setattr("foresql.cli.accounts.connect", connect)
    yield made
    made.close()


def test_report(run, account):
    options = ("--connection", "dev", "--role", "tester", "--warehouse", "small")
    result = run("doctor", "snowflake", *QUICK, *options)
    assert account.asked == [("dev", {"role": "TESTER", "warehouse": "SMALL"})]
    assert result.stdout.startswith(
        "# foresql doctor snowflake\n\n2 passed, 0 failed, 0 not tried."
    )
    assert "2 checks run in a scratch schema of FORESQL" in result.stderr
    assert "passed    nan-order: -inf, 1, inf, NaN" in result.stderr
    assert account.session.closed


def test_failed_check_ends_with_one(run, account):
    account.grants.clear()
    options = ("--only", "caller-rights", "--json")
    found = json.loads(run("doctor", "snowflake", *options, code=1).stdout)
    assert found["failed"]
    (check,) = found["checks"]
    assert check["outcome"] == "failed"
    assert "GRANT USAGE" in check["found"]
    assert check["what_to_do"]


def test_report_in_a_file(run, account, shop):
    result = run("doctor", "snowflake", *QUICK, "-o", "report.md")
    assert "The report is in report.md." in result.stdout
    assert "| `nan-order` |" in (shop / "report.md").read_text()
    assert account.session.closed
    failed = run("doctor", "snowflake", *QUICK, "-o", "nowhere/report.md", code=1)
    assert "cannot be written" in failed.stderr


def test_schema_in_another_database(run, account):
    account.session.run("CREATE DATABASE SANDBOX")
    result = run("doctor", "snowflake", *QUICK, "--scratch-in", "sandbox")
    assert "Tried in SANDBOX.FORESQL_DOCTOR_" in result.stdout


def test_unknown_check(run, account):
    assert (
        "There is no check 'nonsense'"
        in run("doctor", "snowflake", "--only", "nonsense", code=1).stderr
    )
    assert account.asked == []


def test_asks_in_a_terminal(run, account, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "sys", Terminal())
    monkeypatch.setattr(command.click, "confirm", lambda *_, **__: asked.append(1))
    run("doctor", "snowflake", *QUICK, "--yes")
    assert asked == []
    run("doctor", "snowflake", *QUICK)
    assert asked == [1]
    assert account.session.closed


class Terminal:
    """A `sys` whose stdin is a terminal."""

    class stdin:  # noqa: N801 - its name there
        @staticmethod
        def isatty():
            return True
