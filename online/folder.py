"""Snapshots in a folder: a manifest a view, and beside it the file that it names.

A snapshot is swapped in by renaming its manifest. Its file is there and on disk before that, under
a name that has its hash, and is never changed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FeatureError
from .following import FollowingStore
from .keys import KeyCodec
from .manifest import MOST_BYTES, read_manifest
from .rows import RowCodec
from .snapshots import Snapshot, SnapshotView
from .sqlite import SqliteRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .manifest import Manifest

MANIFEST, DATA = ".json", ".sqlite"
_FILE = re.compile(r"[a-z0-9_.]+\.[0-9a-f]{64}\.sqlite", re.ASCII)
_ATTEMPTS = 5

Stamp = tuple[int, int, int]


class FolderStore(FollowingStore):
    """The views whose snapshots are in a folder."""

    def __init__(self, folder: str | Path) -> None:
        """Open all snapshots that are there.

        Raises
        ------
        FeatureError
            If there is no such folder.
        """
        super().__init__()
        self._folder = Path(folder)
        if not self._folder.is_dir():
            message = (
                f"There is no folder of snapshots {folder}.\n"
                f"  What to do: foresql materialize VIEW --key COLUMN --into {folder}"
            )
            raise FeatureError(message)
        self.refresh()

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._folder)

    def _states(self) -> Mapping[str, object]:
        stamps = {name: _stamp(path) for name, path in manifests_in(self._folder).items()}
        return {name: stamp for name, stamp in stamps.items() if stamp is not None}

    def _view(self, snapshot: Snapshot) -> SnapshotView:
        return SnapshotView(snapshot, is_local=True)

    def _snapshot(self, name: str, state: object) -> Snapshot:
        del state  # the manifest of now may be a later one
        path = self._folder / f"{name}{MANIFEST}"
        attempts = 0
        while True:
            attempts += 1
            manifest = read_manifest_file(path)
            if manifest.view.name != name:
                message = f"{path} is the manifest of {manifest.view.name!r}: it was renamed."
                raise FeatureError(message)
            try:
                return open_snapshot(path, manifest)
            except FileNotFoundError as error:
                # A newer one was swapped in since: that is what is wanted.
                if attempts < _ATTEMPTS and read_manifest_file(path) != manifest:
                    continue
                message = f"{path} names {manifest.place}, which is not there."
                raise FeatureError(message) from error


def manifests_in(folder: Path) -> dict[str, Path]:
    """Find the manifests by the names of their views.

    Raises
    ------
    FeatureError
        If the folder cannot be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder} cannot be read: {error.strerror or error}."
        raise FeatureError(message) from error
    return {
        path.name.removesuffix(MANIFEST): path
        for path in paths
        if path.suffix == MANIFEST and not path.name.startswith(".")
    }


def read_manifest_file(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    FeatureError
        If it cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise FeatureError(message) from error
    manifest = read_manifest(content, str(path))
    if not _FILE.fullmatch(manifest.place):
        message = f"{path} names {manifest.place[:80]!r}, which is no file of a snapshot."
        raise FeatureError(message)
    return manifest


def open_snapshot(path: Path, manifest: Manifest) -> Snapshot:
    """Open the file that a manifest names, and check that it is whole.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    FeatureError
        If it is not the one that was written.
    """
    file = path.with_name(manifest.place)
    try:
        check_file(file, manifest)
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or error}."
        raise FeatureError(message) from error
    view = manifest.view
    keys = KeyCodec(view.name, view.keys, view.columns)
    try:
        rows = SqliteRows(file, view.name, keys, RowCodec(view.columns))
    except FeatureError as error:
        if not file.exists():  # it was replaced since it was checked
            raise FileNotFoundError(file) from error
        raise
    return Snapshot(manifest, rows)


def check_file(file: Path, manifest: Manifest) -> None:
    """Hold a file against its manifest: its size, then every byte."""
    size = file.stat().st_size
    if size != manifest.size or not file.is_file():
        message = (
            f"{file} has {size:,} bytes, and was written with {manifest.size:,}: it is not whole.\n"
            f"  What to do: materialize {manifest.view.name} again."
        )
        raise FeatureError(message)
    if sha256_of(file) != manifest.sha256:
        message = (
            f"{file} is not what was written: its bytes have changed.\n"
            f"  What to do: materialize {manifest.view.name} again."
        )
        raise FeatureError(message)


def sha256_of(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:  # it was listed, and is gone
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
