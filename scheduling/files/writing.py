"""Files that are replaced only where this command wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...registry.atomic import write_whole
from ..errors import ScheduleError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_file"]

MARK = "foresql: the "
MARKED_CHARACTERS = 40


def write_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a schedule's file, whole or not at all.

    Raises
    ------
    ScheduleError
        A file that foresql did not write is there, or it cannot be written.
    """
    try:
        if path.exists() and not overwrite:
            begin = path.read_text(encoding="utf-8", errors="replace")[:MARKED_CHARACTERS]
            if MARK not in begin:
                raise ScheduleError(
                    f"{path} is there, and foresql did not write it.\n"
                    "  What to do: name another file, or --overwrite."
                )
        write_whole(path, text)
    except OSError as error:
        raise ScheduleError(f"{path} cannot be written: {error.strerror}.") from error
