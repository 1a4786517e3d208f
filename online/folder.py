"""Snapshots in a folder: a manifest a view, and beside it the file that it names.

A snapshot is swapped in by renaming its manifest. Its file is there and on disk before that, under
a name that has its hash, and is never changed.
"""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FeatureError
from .keys import KeyCodec
from .manifest import MOST_BYTES, read_manifest
from .rows import RowCodec
from .snapshots import Snapshot, SnapshotView
from .sqlite import SqliteRows
from .view import ViewStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from .manifest import Manifest

MANIFEST, DATA = ".json", ".sqlite"
_FILE = re.compile(r"[a-z0-9_.]+\.[0-9a-f]{64}\.sqlite", re.ASCII)
_ATTEMPTS = 5

Stamp = tuple[int, int, int]


class FolderStore:
    """The views whose snapshots are in a folder."""

    def __init__(self, folder: str | Path) -> None:
        """Open all snapshots that are there.

        Raises
        ------
        FeatureError
            If there is no such folder.
        """
        self._folder = Path(folder)
        self._views: dict[str, SnapshotView] = {}
        self._problems: dict[str, str] = {}
        self._seen: dict[str, Stamp] = {}
        self._refreshing = threading.Lock()
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

    @property
    def views(self) -> Mapping[str, SnapshotView]:
        """The views by name."""
        return self._views

    @property
    def problems(self) -> Mapping[str, str]:
        """By view, why its newest snapshot is not read."""
        return self._problems

    def refresh(self) -> None:
        """Look for newer snapshots and take them over."""
        with self._refreshing:
            self._refresh(manifests_in(self._folder))

    def _refresh(self, there: Mapping[str, Path]) -> None:
        for name in self._views.keys() - there.keys():
            self._note(name, f"{self._folder / name}{MANIFEST} is gone")
            self._seen.pop(name, None)
        for name, path in there.items():
            stamp = _stamp(path)
            if stamp is None or stamp == self._seen.get(name):
                continue
            try:
                self._take(name, path)
            except FeatureError as error:
                self._note(name, str(error))
            else:
                self._note(name, None)
            self._seen[name] = stamp

    def status(self) -> list[ViewStatus]:
        """Say which snapshots answer."""
        return [ViewStatus(name, v.view.as_of, v.rows) for name, v in self._views.items()]

    def close(self) -> None:
        """Forget all snapshots: a file is closed when no lookup uses it any more."""
        self._views = {}
        self._seen = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, name: str, problem: str | None) -> None:
        # A new dictionary, since another thread may be reading the old one.
        noted = {**self._problems, name: problem}
        self._problems = {view: text for view, text in noted.items() if text is not None}

    def _take(self, name: str, path: Path) -> None:
        for attempt in range(_ATTEMPTS):
            manifest = read_manifest_file(path)
            if manifest.view.name != name:
                message = f"{path} is the manifest of {manifest.view.name!r}: it was renamed."
                raise FeatureError(message)
            current = self._views.get(name)
            if current is not None:
                current.check(manifest)
            try:
                snapshot = open_snapshot(path, manifest)
            except FileNotFoundError as error:
                # A newer one was swapped in since: that is what is wanted.
                if attempt + 1 < _ATTEMPTS and read_manifest_file(path) != manifest:
                    continue
                message = f"{path} names {manifest.place}, which is not there."
                raise FeatureError(message) from error
            if current is None:
                view = SnapshotView(snapshot, is_local=True)
                self._views = {**self._views, name: view}
            else:
                current.move(snapshot)
            return


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
