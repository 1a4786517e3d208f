"""A workflow for GitHub Actions."""

from __future__ import annotations

import itertools
import json
import shlex
from typing import TYPE_CHECKING

from ..errors import ScheduleError
from .asked import adapters_of, cron_of, variables_of

if TYPE_CHECKING:
    from pathlib import Path

    from ..cron import Cron
    from ..schedule import Schedule

__all__ = ["write_github"]

SHORTEST_MINUTES = 5
WORKFLOW = """\
# foresql: the schedule {name}. For .github/workflows/{name}.yml, on the default branch. The runner
# begins empty: it suits a warehouse that is reached over the network, and not a DuckDB file.
name: {title}

on:
  schedule:
    - cron: {cron}
      timezone: {timezone}
  workflow_dispatch:

permissions:
  contents: read

# A run waits for the one before: runners share no lock.
concurrency:
  group: {group}
  cancel-in-progress: false

jobs:
  run:
    name: dbt {command_name}
    runs-on: ubuntu-24.04
    timeout-minutes: {minutes}
{environment}    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - uses: actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0
        with:
          python-version: "3.12"
      - name: Install
        run: python -m pip install {requirement}
{deps}      - name: Run
        run: {command}
{secrets}"""
DEPS = """\
      - name: Install the packages of dbt
        run: {deps}
"""


def write_github(schedule: Schedule, version: str) -> str:
    """Write a schedule as a workflow.

    Parameters
    ----------
    schedule
        What to run, and when; in UTC where it names no time zone. Its project lies in a
        repository.
    version
        The release of foresql that the runner installs.

    Raises
    ------
    ScheduleError
        GitHub cannot run it so: more often than every five minutes, or with files outside of the
        repository.
    """
    cron = cron_of(schedule)
    refuse_often(cron)
    root = repository_of(schedule.project)
    project = inside(schedule.project, root)
    profiles = inside(schedule.profiles, root) if schedule.profiles else None
    paths = {"project": project} | ({"profiles": profiles} if profiles else {})
    command = shlex.join(schedule.once(["foresql"], **paths))
    extras = ",".join([*adapters_of(schedule), "schedule"])
    variables = variables_of(schedule)
    deps = shlex.join(
        ["dbt", "deps", "--project-dir", project, "--profiles-dir", profiles or project]
    )
    seconds = schedule.timeout or 3600
    minutes = int((seconds + schedule.retry_seconds) * (schedule.retries + 1) / 60) + 15
    return WORKFLOW.format(
        name=schedule.name,
        title=text(f"foresql {schedule.name}"),
        cron=text(str(cron)),
        timezone=text(schedule.timezone or "UTC"),
        group=text(f"foresql-{schedule.name}"),
        command_name=schedule.command,
        minutes=min(minutes, 360),
        # Secrets of an environment reach this job alone, and may ask for a review.
        environment=f"    environment: {text('foresql')}\n" if variables else "",
        requirement=shlex.quote(f"foresql[{extras}]=={version}"),
        deps=DEPS.format(deps=text(deps)) if (schedule.project / "packages.yml").exists() else "",
        command=text(command),
        secrets=write_secrets(variables),
    )


def write_secrets(variables: dict[str, bool]) -> str:
    """Hand over what profiles.yml needs. What has a default there is only offered.

    A secret that is not set is an empty text, which would take the default's place.
    """
    if not variables:
        return ""
    lines = ["        env:\n" if any(variables.values()) else "        # env:\n"]
    for name, is_needed in variables.items():
        mark = "" if is_needed else "# "
        lines.append(f"          {mark}{name}: ${{{{ secrets.{name} }}}}\n")
    return "".join(lines)


def text(value: str) -> str:
    """Write a YAML text in quotes, which are JSON's, and refuse what the runner would evaluate."""
    if "${{" in value:
        raise ScheduleError(
            f"{value!r} holds an expression of GitHub Actions, which would be evaluated.\n"
            "  What to do: write it without ${{."
        )
    return json.dumps(value, ensure_ascii=False)


def refuse_often(cron: Cron) -> None:
    minutes = cron.minutes
    gaps = [after - before for before, after in itertools.pairwise(minutes)]
    around = 60 - minutes[-1] + minutes[0]
    if min([*gaps, around]) < SHORTEST_MINUTES:
        raise ScheduleError(
            f"GitHub runs schedules every five minutes at most, and '{cron}' is more often.\n"
            "  What to do: --cron '*/5 * * * *', or `foresql schedule run` on a machine of yours."
        )


def repository_of(project: Path) -> Path:
    for folder in (project, *project.parents):
        if (folder / ".git").exists():
            return folder
    raise ScheduleError(
        f"{project} lies in no Git repository, which the workflow would check out.\n"
        "  What to do: git init where the workflow's repository begins."
    )


def inside(path: Path, root: Path) -> str:
    if not path.is_relative_to(root):
        raise ScheduleError(
            f"{path} lies outside of the repository {root}, which is all that the runner has.\n"
            "  What to do: put it there, such as profiles.yml beside dbt_project.yml."
        )
    return path.relative_to(root).as_posix()
