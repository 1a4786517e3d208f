"""Files that appear whole or not at all, under a name that only one process can take.

A file is written under a temporary name, forced to disk, and then linked to its final name. The
link fails if the name is taken: that is the compare-and-swap. There is no lock to be left behind.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP}
# Windows cannot unlink a read-only file, and temporary names are unlinked.
_RIGHTS = 0o666 if os.name == "nt" else 0o444
_WRITABLE = 0o666
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def publish_file(path: Path, content: bytes) -> None:
    """Make a read-only file appear, whole and on disk.

    Raises
    ------
    FileExistsError
        If the name is taken; the file that has it is on disk and stays as it is.
    RegistryError
        If the file cannot be written.
    """
    with _explained(path), _temporary(path.parent, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A network file system may make the link and lose the answer: then the name is ours.
            if not path.samefile(temporary):
                raise


def restore_file(path: Path, content: bytes) -> None:
    """Put ``content`` in place of a file that is damaged, in one step; a whole one is left."""
    with _explained(path):
        if path.read_bytes() == content:
            return
    with _explained(path), _temporary(path.parent, content) as temporary:
        temporary.replace(path)


def write_whole(path: Path, text: str) -> None:
    """Replace a text file in one step: who reads sees the old one, or the new one whole.

    Raises
    ------
    OSError
        If it cannot be written; then it is as it was.
    """
    with _temporary(path.parent, text.encode(), _WRITABLE) as temporary:
        temporary.replace(path)


def make_folder(root: Path, *parts: str) -> Path:
    """Make a folder below ``root`` where it is missing, on disk up to the root."""
    folder = root
    for part in parts:
        parent, folder = folder, folder / part
        with _explained(folder):
            try:
                folder.mkdir(exist_ok=True)
            except FileExistsError:
                raise NotADirectoryError(errno.ENOTDIR, "a file has its place") from None
            sync(parent)
    return folder


def remove_temporaries(root: Path, older_than: float) -> tuple[Path, ...]:
    """Remove what killed writers left; ``older_than`` (seconds) spares those that still write."""
    limit = time.time() - older_than
    removed: list[Path] = []
    for path in sorted(root.rglob(f"{TEMPORARY_PREFIX}*")):
        with _explained(path), suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink()
                removed.append(path)
    return tuple(removed)


@contextmanager
def _temporary(folder: Path, content: bytes, rights: int = _RIGHTS) -> Generator[Path]:
    path = folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        descriptor = os.open(path, _FLAGS, rights)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)
        sync(folder)


def sync(path: Path) -> None:
    """Force a file, or the entries of a folder, to disk."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders, and keeps their entries
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:  # some network file systems sync files, but no folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Generator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        reason = f"{path} cannot be written: {error.strerror or error}."
        if error.errno in _NO_LINKS:
            reason += (
                " Is it a file system without hard links, such as FAT or a mounted bucket? They "
                "decide who wins when two processes publish. Put the registry on another one."
            )
        raise RegistryError(reason) from error
