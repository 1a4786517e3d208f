"""What schedules raise."""

from __future__ import annotations

from ..errors import ForesqlError

__all__ = ["BusyError", "ScheduleError"]


class ScheduleError(ForesqlError):
    """A schedule cannot be written, read or run."""


class BusyError(ScheduleError):
    """Another run of the project is under way."""
