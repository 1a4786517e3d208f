"""What a schedule does, said on the screen and kept in files that do not grow for ever."""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Generator

    from .schedule import Schedule

__all__ = ["LOG", "log_to_file", "log_to_screen"]

LOG = logging.getLogger("foresql.schedule")
FILE_BYTES = 2_000_000
FILES = 5
KEPT_RECORDS = 30
FORM = "%(asctime)s %(levelname)s %(message)s"


class QuietHandler(logging.StreamHandler[TextIO]):
    """Prints warnings; before an error, also the last lines that led to it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._kept: deque[logging.LogRecord] = deque(maxlen=KEPT_RECORDS)

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, or keep it for an error to come."""
        if record.levelno < logging.WARNING:
            self._kept.append(record)
            return
        if record.levelno >= logging.ERROR:
            while self._kept:
                super().emit(self._kept.popleft())
        super().emit(record)


@contextmanager
def log_to_screen(*, quiet: bool) -> Generator[None]:
    """Print to stdout; or quietly, only what went wrong and what led to it, to stderr."""
    with logging_to(QuietHandler(sys.stderr) if quiet else logging.StreamHandler(sys.stdout)):
        yield


@contextmanager
def log_to_file(schedule: Schedule) -> Generator[None]:
    """Write to the schedule's file; only who holds the lock does."""
    folder = schedule.state / "logs"
    folder.mkdir(exist_ok=True)
    path = folder / f"{schedule.name}.log"
    with logging_to(
        RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8")
    ):
        yield


@contextmanager
def logging_to(handler: logging.Handler) -> Generator[None]:
    handler.setFormatter(logging.Formatter(FORM))
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        handler.close()
