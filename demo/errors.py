"""What stops the demo."""

from __future__ import annotations

from ..errors import ForesqlError

__all__ = ["DemoError"]


class DemoError(ForesqlError):
    """The demo's folder, data or dbt run is not as it should be."""
