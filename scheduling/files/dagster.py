"""A file of definitions for Dagster."""

from __future__ import annotations

import re
from pprint import pformat
from typing import TYPE_CHECKING

from .asked import cron_of

if TYPE_CHECKING:
    from ..schedule import Schedule

__all__ = ["write_dagster"]

DEFINITIONS = '''\
"""foresql: the schedule {name}. For Dagster: `dagster dev -f FILE`."""

import subprocess

import dagster as dg

COMMAND = {command}
# Another run of the project is under way.
BUSY = 75


@dg.op(name={op!r})
def run_foresql(context: dg.OpExecutionContext) -> None:
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout:
                context.log.info(line.rstrip())
            code = process.wait()
        except BaseException:
            # foresql interrupts dbt, and waits for it.
            process.terminate()
            raise
    if code == BUSY:
        context.log.warning("Left out: another run of the project is under way.")
    elif code:
        raise dg.Failure(f"foresql ended with the exit code {{code}}.", allow_retries=False)


@dg.job(name={job!r})
def foresql_job():
    run_foresql()


defs = dg.Definitions(
    jobs=[foresql_job],
    schedules=[
        dg.ScheduleDefinition(
            name={schedule!r},
            job=foresql_job,
            cron_schedule={cron!r},
            execution_timezone={timezone!r},
        )
    ],
)
'''


def write_dagster(schedule: Schedule, program: list[str]) -> str:
    """Write a schedule as definitions: an op, its job, and when it runs.

    Parameters
    ----------
    schedule
        What to run, and when; in UTC where it names no time zone.
    program
        The absolute command that starts foresql, where Dagster runs its jobs.
    """
    # Dagster's names are letters, digits and underscores.
    name = re.sub(r"\W", "_", schedule.name)
    return DEFINITIONS.format(
        name=schedule.name,
        command=pformat(schedule.once(program), width=88),
        op=f"dbt_{schedule.command}_{name}",
        job=f"foresql_{name}",
        schedule=f"foresql_{name}_schedule",
        cron=str(cron_of(schedule)),
        timezone=schedule.timezone or "UTC",
    )
