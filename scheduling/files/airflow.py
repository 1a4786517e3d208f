"""A DAG file for Airflow 3."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ..errors import ScheduleError
from .asked import cron_of

if TYPE_CHECKING:
    from ..schedule import Schedule

__all__ = ["write_airflow"]

DAG = '''\
"""foresql: the schedule {name}. For the folder of DAGs of Airflow 3."""

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id={dag!r},
    description={description!r},
    schedule={cron!r},
    start_date=pendulum.datetime(2024, 1, 1, tz={timezone!r}),
    catchup=False,
    max_active_runs=1,
    tags=["foresql"],
):
    BashOperator(
        task_id={task!r},
        # foresql interrupts dbt when Airflow ends the task, and tries again by itself.
        bash_command={command!r},
        append_env=True,
        retries=0,
        # Another run of the project is under way.
        skip_on_exit_code=75,
    )
'''


def write_airflow(schedule: Schedule, program: list[str]) -> str:
    """Write a schedule as a DAG.

    Parameters
    ----------
    schedule
        What to run, and when; in UTC where it names no time zone.
    program
        The absolute command that starts foresql, on Airflow's workers.

    Raises
    ------
    ScheduleError
        The command holds what Airflow would render as a template.
    """
    command = shlex.join(schedule.once(program))
    for mark in ("{{", "{%", "{#"):
        if mark in command:
            raise ScheduleError(
                f"The command holds {mark}, which Airflow would render: {command}\n"
                "  What to do: put that option into the dbt project."
            )
    return DAG.format(
        name=schedule.name,
        dag=f"foresql_{schedule.name}",
        description=f"dbt {schedule.command} of {schedule.project.name}",
        cron=str(cron_of(schedule)),
        timezone=schedule.timezone or "UTC",
        task=f"dbt_{schedule.command}",
        # Airflow takes a command that ends in .sh for the name of a file, and exec lets its signal
        # reach foresql.
        command=f"exec {command} ",
    )
