"""``foresql schedule``: runs at their time, and what became of them."""

from __future__ import annotations

import click

from .options import unwrapped
from .schedule_files import airflow, cron, dagster, github, systemd
from .schedule_history import history
from .schedule_run import run

__all__ = ["schedule"]


@click.group("schedule")
@unwrapped
def schedule() -> None:
    r"""Run a dbt project on a schedule: here, or from another scheduler.

    Needs the extra: pip install 'foresql[schedule]'

    A run holds the project's lock, is tried again where that can help, and stands in the table
    foresql.runs. The commands take --json where a machine would read it.

    \b
    foresql schedule run --select tag:predictions --cron "5 * * * *"
    foresql schedule cron --select tag:predictions --cron "5 * * * *"
    foresql schedule history --database shop.duckdb
    """


for command in (run, cron, systemd, github, airflow, dagster, history):
    schedule.add_command(command)
