"""A file that is replaced whole: written beside its place, and renamed into it.

A reader that has the old file open keeps it. A kill at any moment leaves the old file or the new
one; what it leaves beside them, the next publishing removes.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager, suppress
from glob import escape
from typing import TYPE_CHECKING

from ..errors import PublishingError
from ..registry.atomic import sync

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_RIGHTS = 0o444
_PAUSE = 0.1


@contextmanager
def replacement_of(target: Path, wait: float) -> Generator[Path]:
    """Give the path of a file to write, and put it in the target's place.

    Nothing is put there if the block raises an error. One process at a time publishes into a
    folder: others wait.

    Raises
    ------
    PublishingError
        If the folder cannot be written, or another process publishes there for too long.
    """
    folder = target.parent
    with _explained(target), _only_publisher(folder, wait):
        for left in folder.glob(f".{escape(target.name)}.publishing-*"):
            with suppress(PermissionError):  # Windows keeps what another process writes
                left.unlink()
        # DuckDB names a catalog after the file, up to the first dot.
        path = folder / f".{target.name}.publishing-{uuid.uuid4().hex[:12]}"
        try:
            yield path
            _check_log(target)
            path.chmod(path.stat().st_mode & _RIGHTS)  # what the umask withholds stays so
            sync(path)
            path.replace(target)
        finally:
            for left in folder.glob(f"{escape(path.name)}*"):
                left.unlink()
        sync(folder)


def _check_log(target: Path) -> None:
    """Refuse to put a file beside a log of changes that somebody made to the one before."""
    log = target.with_name(f"{target.name}.wal")
    if log.exists():
        message = (
            f"{log} is there: somebody opened {target.name} for writing, and DuckDB would apply "
            "those changes to the new file.\n"
            "  What to do: let readers open it read-only, and delete that file."
        )
        raise PublishingError(message)


@contextmanager
def _only_publisher(folder: Path, wait: float) -> Generator[None]:
    """Lock the folder itself, so that no lock file is left behind."""
    if os.name == "nt":  # Windows opens no folders
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + wait
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    message = (
                        f"Another process publishes into {folder}.\n"
                        "  What to do: run this again when it has ended, or wait: --wait 600."
                    )
                    raise PublishingError(message) from error
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _explained(target: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror or error}."
        raise PublishingError(message) from error
