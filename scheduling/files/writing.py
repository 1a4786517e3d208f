"""Files that are replaced only where this command wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...registry.marked import write_marked
from ..errors import ScheduleError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_file"]


def write_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a schedule's file, whole or not at all.

    Raises
    ------
    ScheduleError
        A file that foresql did not write is there, or it cannot be written.
    """
    write_marked(path, text, overwrite=overwrite, error=ScheduleError)
