"""Files for other programs, which are replaced only where foresql wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ForesqlError
from .atomic import write_whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_marked"]

MARK = "foresql: the "
MARKED_CHARACTERS = 40


def write_marked(
    path: Path, text: str, *, overwrite: bool, error: type[ForesqlError] = ForesqlError
) -> None:
    """Write a file whose first line begins with the mark, whole or not at all.

    Raises
    ------
    ForesqlError
        Or ``error``: a file that foresql did not write is there, or it cannot be written.
    """
    try:
        if path.exists() and not overwrite:
            begin = path.read_text(encoding="utf-8", errors="replace")[:MARKED_CHARACTERS]
            if MARK not in begin:
                raise error(
                    f"{path} is there, and foresql did not write it.\n"
                    "  What to do: name another file, or --overwrite."
                )
        write_whole(path, text)
    except OSError as caught:
        raise error(f"{path} cannot be written: {caught.strerror}.") from caught
