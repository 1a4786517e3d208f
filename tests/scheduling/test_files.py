"""Files for other schedulers: they are what those read, and call the command that was meant."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from foresql.cli import main
from foresql.scheduling.cron import parse_cron
from foresql.scheduling.errors import ScheduleError
from foresql.scheduling.files import (
    write_airflow,
    write_cron,
    write_dagster,
    write_github,
    write_systemd,
)
from foresql.scheduling.schedule import Schedule

PROGRAM = ["/opt/our venv/bin/foresql"]
ODD = ('it\'s 100% "sure"', "$HOME `x` \\n", "a;b && c > d")
ZIZMOR = Path(sys.executable).with_name("zizmor")


@pytest.fixture
def schedule(tmp_path):
    project = tmp_path / "our repository/50% dbt's $project"
    project.mkdir(parents=True)
    (project.parent / ".git").mkdir()
    (project / "dbt_project.yml").write_text("name: shop\n")
    (project / "packages.yml").write_text("packages: []\n")
    (project / "profiles.yml").write_text(
        "shop: {outputs: {a: {type: snowflake, password: \"{{ env_var('SNOWFLAKE_PASSWORD') }}\"}, "
        "b: {type: postgres, user: \"{{ env_var( 'PGUSER', '') }}\"}}}\n"
    )
    return Schedule(
        project=project,
        name="nightly",
        cron=parse_cron("5 6 * * mon-fri"),
        select=ODD,
        target="prod",
        retries=2,
        retry_seconds=90,
        then=("foresql publish-serving --to 'a b'",),
        dbt_options=("--vars", "{a: 1}"),
    )


def test_a_line_of_cron(schedule):
    text = write_cron(schedule, PROGRAM)
    (line,) = [line for line in text.splitlines() if not line.startswith("#")]
    assert line.startswith("5 6 * * 1-5 ")
    # As cron does: a bare % ends the command, and the backslash before another one goes.
    assert not re.search(r"(?<!\\)%", line)
    command = line.removeprefix("5 6 * * 1-5 ").replace(r"\%", "%")
    printed = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {command}"], check=True, capture_output=True, text=True
    ).stdout
    assert printed.splitlines() == schedule.once(PROGRAM, "--quiet")


def test_cron_has_no_time_zones(schedule, tmp_path):
    zoned = Schedule(tmp_path, "x", schedule.cron, "Europe/Berlin")
    with pytest.raises(ScheduleError, match="machine's time zone"):
        write_cron(zoned, PROGRAM)


def unquoted(line: str) -> list[str]:
    """Read ExecStart as systemd does."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%").replace("$$", "$") for word in words]


def test_a_service_and_its_timer(schedule, tmp_path):
    files = write_systemd(schedule, [sys.executable])
    service, timer = files["foresql-nightly.service"], files["foresql-nightly.timer"]
    (line,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    assert unquoted(line) == schedule.once([sys.executable])
    assert "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 06:05:00\n" in timer
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *[tmp_path / name for name in files]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "nightly" not in done.stderr
        assert done.returncode == 0, done.stderr


def test_a_workflow(schedule, tmp_path):
    text = write_github(schedule, "1.2.3")
    job = yaml.safe_load(text)["jobs"]["run"]
    *_, install, deps, run = job["steps"]
    assert yaml.safe_load(text)[True]["schedule"] == [{"cron": "5 6 * * 1-5", "timezone": "UTC"}]
    folder = "50% dbt's $project"
    assert shlex.split(run["run"]) == schedule.once(["foresql"], project=folder)
    assert shlex.split(deps["run"])[:4] == ["dbt", "deps", "--project-dir", folder]
    assert install["run"].endswith("'foresql[dbt-postgres,dbt-snowflake,schedule]==1.2.3'")
    # A secret that is not set would be an empty text, and the profile's default would not count.
    assert run["env"] == {"SNOWFLAKE_PASSWORD": "${{ secrets.SNOWFLAKE_PASSWORD }}"}
    assert "          # PGUSER: ${{ secrets.PGUSER }}\n" in text
    path = tmp_path / "nightly.yml"
    path.write_text(text)
    done = subprocess.run(
        [ZIZMOR, "--offline", "--persona=pedantic", "--no-progress", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No findings to report" in done.stdout + done.stderr, done.stdout


def test_a_workflow_that_github_would_not_run_is_refused(schedule, tmp_path):
    often = Schedule(schedule.project, "x", parse_cron("*/3 * * * *"))
    with pytest.raises(ScheduleError, match="every five minutes at most"):
        write_github(often, "1")
    evaluated = Schedule(schedule.project, "x", schedule.cron, select=("${{ secrets.X }}",))
    with pytest.raises(ScheduleError, match="would be evaluated"):
        write_github(evaluated, "1")
    outside = Schedule(schedule.project, "x", schedule.cron, profiles=tmp_path)
    with pytest.raises(ScheduleError, match="outside of the repository"):
        write_github(outside, "1")
    (schedule.project.parent / ".git").rmdir()
    with pytest.raises(ScheduleError, match="no Git repository"):
        write_github(schedule, "1")


def calls_of(text: str) -> dict[str, dict[str, object]]:
    """Give the keywords of each call whose values are literals."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            literals = [each for each in node.keywords if isinstance(each.value, ast.Constant)]
            found[ast.unparse(node.func)] = {each.arg: each.value.value for each in literals}
    return found


def test_a_dag(schedule):
    text = write_airflow(schedule, PROGRAM)
    calls = calls_of(text)
    assert calls["DAG"]["schedule"] == "5 6 * * 1-5"
    assert calls["pendulum.datetime"]["tz"] == "UTC"
    command = calls["BashOperator"]["bash_command"]
    assert not command.endswith((".sh", ".bash"))
    assert shlex.split(command) == ["exec", *schedule.once(PROGRAM)]
    imported = {
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert imported == {
        "airflow.sdk.DAG",
        "airflow.providers.standard.operators.bash.BashOperator",
    }


def test_what_airflow_would_render_is_refused(schedule):
    rendered = Schedule(schedule.project, "x", schedule.cron, select=("{{ ds }}",))
    with pytest.raises(ScheduleError, match="Airflow would render"):
        write_airflow(rendered, PROGRAM)


def test_definitions_of_dagster(schedule):
    text = write_dagster(schedule, PROGRAM)
    values = {
        node.targets[0].id: node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
    }
    assert ast.literal_eval(values["COMMAND"]) == schedule.once(PROGRAM)
    assert calls_of(text)["dg.ScheduleDefinition"] == {
        "name": "foresql_nightly_schedule",
        "cron_schedule": "5 6 * * 1-5",
        "execution_timezone": "UTC",
    }


@pytest.fixture
def write(schedule):
    def write(*arguments, code=0):
        options = ["--project", str(schedule.project), "--cron", "5 6 * * *"]
        done = CliRunner().invoke(main, ["schedule", *arguments, *options])
        assert done.exit_code == code, done.output
        return done

    return write


@pytest.mark.parametrize("kind", ["cron", "github", "airflow", "dagster"])
def test_a_file_is_replaced_only_where_it_was_written_by_this_command(write, tmp_path, kind):
    path = tmp_path / "file"
    done = write(kind, "--into", str(path))
    assert "Next runs: " in done.stderr
    assert write(kind).stdout == path.read_text()
    write(kind, "--into", str(path), "--name", "other")
    assert "other" in path.read_text()
    path.write_text("mine\n")
    assert "foresql did not write it" in write(kind, "--into", str(path), code=1).stderr
    assert path.read_text() == "mine\n"
    write(kind, "--into", str(path), "--overwrite")
    assert "06:05" in write(kind, "--json").stdout
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["file"]


def test_both_files_of_systemd_go_into_a_folder(write, tmp_path):
    folder = tmp_path / "units"
    folder.mkdir()
    write("systemd", "--name", "hourly", "--into", str(folder))
    assert {path.name for path in folder.iterdir()} == {
        "foresql-hourly.service",
        "foresql-hourly.timer",
    }
    assert "OnCalendar=*-*-* 06:05:00" in write("systemd").stdout


def test_a_time_is_needed(schedule):
    done = CliRunner().invoke(main, ["schedule", "cron", "--project", str(schedule.project)])
    assert done.exit_code == 2
    assert "--cron" in done.stderr
