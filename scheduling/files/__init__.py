"""Schedules, written for other schedulers."""

from .airflow import write_airflow
from .cron_line import write_cron
from .dagster import write_dagster
from .github import write_github
from .systemd import write_systemd
from .writing import write_file

__all__ = [
    "write_airflow",
    "write_cron",
    "write_dagster",
    "write_file",
    "write_github",
    "write_systemd",
]
