"""What a report cannot be made from."""

from __future__ import annotations

from ..errors import ForesqlError

__all__ = ["MonitoringError"]


class MonitoringError(ForesqlError):
    """A table, column or condition that a report needs is not there, or cannot be used."""
