"""What the command says about itself."""

import pytest

from foresql import __version__
from foresql.cli import main

COMMANDS = sorted(main.commands)


def test_all_commands_are_there():
    named = (
        "bench bus certify compile dbt-macros dbt-package demo demo-stream deploy deploy-sql "
        "doctor endpoint import materialize models online promote publish publish-serving report "
        "rollback schedule score serve serve-files setup show sql status stream task traffic "
        "undeploy worker"
    )
    assert named.split() == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(run, command):
    lines = run(command, "--help").stdout.splitlines()
    assert run(command, "-h").stdout.splitlines() == lines
    assert any(line.startswith(f"  foresql {command}") for line in lines)
    assert any("--json" in line for line in lines)
    assert not any("\b" in line or "\\b" in line for line in lines)


def test_help_of_the_whole(run):
    text = run("--help").stdout
    assert "foresql publish delay train.py:model --data train.parquet" in text
    assert "0 done, 1 failed, 2 wrong usage, 3 not certified" in " ".join(text.split())
    for command in COMMANDS:
        assert f"\n  {command} " in text


def test_version(run):
    assert run("--version").stdout == f"foresql, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("show",),
        ("publish", "m"),
        ("publish", "m", "train.py:model"),
        ("promote", "returns@champion", "two"),
        ("score", "returns:1", "train.parquet"),
        ("models", "--nonsense"),
        ("sql", "SELECT 1", "--rows", "many"),
    ],
)
def test_wrong_usage(run, arguments):
    result = run(*arguments, code=2)
    assert "Usage: " in result.stderr
    assert result.stdout == ""
