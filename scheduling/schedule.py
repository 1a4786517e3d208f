"""A schedule: what is run, when, and how often it is tried again."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ScheduleError

if TYPE_CHECKING:
    from .cron import Cron

__all__ = ["Schedule", "find_project", "foresql_command", "parse_seconds", "project_name"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Schedule:
    """What `foresql schedule run` runs."""

    project: Path
    """The folder of the dbt project, absolute."""
    name: str
    cron: Cron | None = None
    timezone: str | None = None
    """IANA name; the machine's zone where none is named."""
    command: str = "build"
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    target: str | None = None
    profiles: Path | None = None
    dbt_options: tuple[str, ...] = ()
    """Further options of dbt's command."""
    retries: int = 0
    retry_seconds: float = 60
    timeout: float | None = None
    """Seconds of one attempt."""
    wait: float = 0
    """Seconds to wait for another run's end."""
    then: tuple[str, ...] = ()
    """Commands that run after success, each as one text."""

    def __post_init__(self) -> None:
        """Refuse what no file could hold."""
        if not NAME.fullmatch(self.name):
            raise ScheduleError(
                f"{self.name!r} is no name of a schedule: letters, digits, '_', '-' and '.', at "
                "most 64.\n  What to do: name it with --name, such as --name hourly."
            )
        texts = (str(self.project), str(self.profiles), *self.select, *self.exclude, *self.then)
        for text in (*texts, *self.dbt_options, self.target or ""):
            if any(not character.isprintable() for character in text):
                raise ScheduleError(
                    f"{text!r} holds a line break or another control character: no crontab or "
                    "unit file can hold it."
                )
        for text in self.then:
            split_command(text)

    @property
    def state(self) -> Path:
        """The folder of the lock and of the logs; dbt clean leaves it alone."""
        return self.project / ".foresql"

    def dbt_arguments(self) -> list[str]:
        """Give dbt's command and options."""
        options = [self.command]
        for flag, values in (("--select", self.select), ("--exclude", self.exclude)):
            options += [flag, *values] if values else []
        if self.target is not None:
            options += ["--target", self.target]
        if self.profiles is not None:
            options += ["--profiles-dir", str(self.profiles)]
        return [*options, "--project-dir", str(self.project), "--no-use-colors", *self.dbt_options]

    def run_options(self, project: str | None = None, profiles: str | None = None) -> list[str]:
        """Give the options of `foresql schedule run` that say the same as this schedule."""
        options = ["--project", project or str(self.project), "--name", self.name]
        options += ["--command", self.command] if self.command != "build" else []
        for flag, values in (("--select", self.select), ("--exclude", self.exclude)):
            for value in values:
                options += [flag, value]
        if self.target is not None:
            options += ["--target", self.target]
        if self.profiles is not None:
            options += ["--profiles-dir", profiles or str(self.profiles)]
        if self.retries:
            options += ["--retries", str(self.retries)]
            options += ["--retry-delay", write_seconds(self.retry_seconds)]
        if self.timeout is not None:
            options += ["--timeout", write_seconds(self.timeout)]
        if self.wait:
            options += ["--wait", write_seconds(self.wait)]
        for text in self.then:
            options += ["--then", text]
        return options

    def once(self, program: list[str], *options: str, **paths: str) -> list[str]:
        """Give the command that schedulers call."""
        further = ["--", *self.dbt_options] if self.dbt_options else []
        run = ["schedule", "run", "--once", *self.run_options(**paths)]
        return [*program, *run, *options, *further]


def foresql_command() -> list[str]:
    """Give this foresql by its absolute path, however it was started."""
    script = Path(sys.executable).with_name("foresql")
    return [str(script)] if script.exists() else [sys.executable, "-m", "foresql.cli"]


def split_command(text: str) -> list[str]:
    """Split a command as a shell does; no shell runs it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ScheduleError(f"{text!r} is no command: {error}.") from error
    if not words:
        raise ScheduleError("An empty text is no command.")
    return words


def find_project(folder: Path) -> Path:
    """Give the absolute path of a dbt project.

    Raises
    ------
    ScheduleError
        The folder holds none.
    """
    project = folder.resolve()
    if not (project / "dbt_project.yml").is_file():
        raise ScheduleError(
            f"{project} holds no dbt_project.yml.\n  What to do: name the project's folder, "
            "--project dbt_project."
        )
    return project


def project_name(project: Path) -> str:
    """Give the name of a dbt project, by which its schedule is called where it has no other."""
    text = (project / "dbt_project.yml").read_text(encoding="utf-8")
    found = re.search(r"""^name:\s*["']?([A-Za-z_]\w*)""", text, re.MULTILINE)
    return found[1] if found else project.name


def parse_seconds(text: str) -> float:
    """Read a duration such as 90s, 10m, 2h or 1h30m.

    Raises
    ------
    ScheduleError
        It is none.
    """
    parts = DURATION.findall(text.strip().lower())
    written = "".join(number + unit for number, unit in parts)
    if not parts or written != re.sub(r"\s", "", text.lower()):
        raise ScheduleError(f"{text!r} is no duration.\n  What to do: write 90s, 10m, 2h or 1d.")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def write_seconds(seconds: float) -> str:
    return f"{seconds:g}s"
