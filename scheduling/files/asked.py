"""What all files of schedules need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import ScheduleError

if TYPE_CHECKING:
    from pathlib import Path

    from ..cron import Cron
    from ..schedule import Schedule

__all__ = ["adapters_of", "cron_of", "variables_of"]

ADAPTERS = {"duckdb": "dbt", "postgres": "dbt-postgres", "snowflake": "dbt-snowflake"}
VARIABLE = re.compile(r"""env_var\(\s*['"](\w+)['"]\s*(,?)""")


def cron_of(schedule: Schedule) -> Cron:
    """Give the time of a schedule that is written for others."""
    if schedule.cron is None:
        message = "A schedule needs a time.\n  What to do: --cron '5 * * * *'."
        raise ScheduleError(message)
    return schedule.cron


def profiles_text(schedule: Schedule) -> str:
    folder: Path = schedule.profiles or schedule.project
    path = folder / "profiles.yml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def variables_of(schedule: Schedule) -> dict[str, bool]:
    """Name the variables that the project's profiles.yml asks for, and whether it needs them."""
    found: dict[str, bool] = {}
    for name, default in VARIABLE.findall(profiles_text(schedule)):
        found[name] = found.get(name, False) or not default
    return found


def adapters_of(schedule: Schedule) -> list[str]:
    """Name the extras of foresql that bring the adapters of the project's profiles.yml."""
    types = re.findall(r"\btype:\s*[\"']?(\w+)", profiles_text(schedule))
    return sorted({ADAPTERS[found] for found in types if found in ADAPTERS}) or ["dbt"]
