"""Writing snapshots into a folder: first the rows, on disk, then the manifest that names them."""

from __future__ import annotations

import os
import re
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FeatureError
from ..registry.atomic import sync
from .folder import DATA, MANIFEST, sha256_of
from .keys import KeyCodec
from .manifest import Manifest, check_readable
from .sqlite import write_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from .view import FeatureView

_TEMPORARY = ".materializing-"
_RIGHTS = 0o444
_PAUSE = 0.1


class FolderTarget:
    """A folder that one process at a time writes."""

    def __init__(self, folder: str, wait: float = 0) -> None:
        """Make the folder where it is missing, lock it, and remove what killed writers left.

        Raises
        ------
        FeatureError
            If it cannot be written, or another process writes there for too long.
        """
        self._folder = Path(folder)
        with _explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self._folder, wait)
            for left in self._folder.glob(f"{_TEMPORARY}*"):
                left.unlink(missing_ok=True)

    def replace(
        self, view: FeatureView, rows: Iterator[tuple[Any, bytes]], source: Mapping[str, str]
    ) -> Manifest:
        """Write all rows, and only then let them be the view's newest snapshot."""
        path = self._folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
        keys = KeyCodec(view.name, view.keys, view.columns)
        counted = Counted(rows)
        try:
            with _explained(self._folder):
                write_rows(path, counted, integer_keys=keys.is_integer)
                digest = sha256_of(path)
                place = f"{view.name}.{digest}{DATA}"
                manifest = Manifest(
                    view, counted.count, place, path.stat().st_size, digest, dict(source)
                )
                content = check_readable(manifest)
                self._put(path, self._folder / place)
                path.write_bytes(content)
                self._put(path, self._folder / f"{view.name}{MANIFEST}")
                self._remove_older(view.name, place)
        finally:
            path.unlink(missing_ok=True)
        return manifest

    def close(self) -> None:
        """Let others write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _put(self, path: Path, final: Path) -> None:
        path.chmod(path.stat().st_mode & _RIGHTS)  # what the umask withholds stays so
        sync(path)
        path.replace(final)
        sync(self._folder)

    def _remove_older(self, name: str, place: str) -> None:
        """Remove the view's files that no manifest names; who has one open keeps it."""
        own = re.compile(rf"{re.escape(name)}\.[0-9a-f]{{64}}{re.escape(DATA)}")
        for path in self._folder.iterdir():
            if own.fullmatch(path.name) and path.name != place:
                with suppress(PermissionError):  # Windows keeps what another process has open
                    path.unlink()


class Counted:
    """Rows that pass by, counted."""

    __slots__ = ("_rows", "count")

    def __init__(self, rows: Iterator[tuple[Any, bytes]]) -> None:
        """Begin at none."""
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[tuple[Any, bytes]]:
        """Give the rows."""
        for row in self._rows:
            self.count += 1
            yield row


def _lock(folder: Path, wait: float) -> int | None:
    """Lock the folder itself, so that no lock file is left behind."""
    if os.name == "nt":  # Windows opens no folders
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                os.close(descriptor)
                message = (
                    f"Another process materializes into {folder}.\n  What to do: run this again "
                    "when it has ended, or wait: --wait 600."
                )
                raise FeatureError(message) from error
            time.sleep(_PAUSE)
        else:
            return descriptor


@contextmanager
def _explained(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        message = f"{folder} cannot be written: {error.strerror or error}."
        raise FeatureError(message) from error
