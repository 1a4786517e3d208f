"""Copies of shipped files in a user's folder, which later versions renew and edits survive.

A marker beside the copies holds the digest of each file as it was written. So a file that the user
edited is known: it is renamed to ``<name>.kept`` before the shipped one takes its place.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from ..errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIXES = {".md", ".sql", ".yml"}
WRITTEN_BY_DBT = {"dbt_packages", "logs", "target"}


def shipped_files(folder: Path) -> dict[Path, bytes]:
    """Read the files of a shipped folder, by their paths in it."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES and WRITTEN_BY_DBT.isdisjoint(path.relative_to(folder).parts)
    }


def copy_shipped(shipped: Mapping[Path, bytes], folder: Path, marker: Path) -> list[Path]:
    """Write files into a folder, and delete those of an earlier version that are gone.

    Parameters
    ----------
    shipped
        What to write, by paths in the folder.
    folder
        Where to write it; it exists.
    marker
        The file that remembers what was written.

    Returns
    -------
    list of Path
        Files of the user that were renamed, under their new names.

    Raises
    ------
    ForesqlError
        If the marker is not readable.
    """
    before = read_marker(marker)
    now = {name.as_posix(): digest(content) for name, content in shipped.items()}
    # Written first: a copy that is cut short after this line is still known as ours.
    write_marker(marker, before | now)
    kept: list[Path | None] = []
    for name in sorted(before.keys() - now.keys()):
        kept.append(keep_edited(folder / name, before[name]))
        (folder / name).unlink(missing_ok=True)
    for name, content in shipped.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        kept.append(keep_edited(target, before.get(name.as_posix()), digest(content)))
        target.write_bytes(content)
    write_marker(marker, now)
    return [path for path in kept if path is not None]


def read_marker(marker: Path) -> dict[str, str]:
    """Read which files were written, with their digests; none where there is no marker.

    Raises
    ------
    ForesqlError
        If it is not readable.
    """
    if not marker.exists():
        return {}
    try:
        found = json.loads(marker.read_text("utf-8"))
        return {str(name): str(value) for name, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise ForesqlError(f"{marker} is not readable: {error}") from error


def write_marker(marker: Path, digests: Mapping[str, str]) -> None:
    """Remember files and their digests."""
    marker.write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")


def keep_edited(path: Path, *written: str | None) -> Path | None:
    """Rename a file out of the way unless its content is one that we wrote or will write."""
    if not path.exists() or digest(path.read_bytes()) in written:
        return None
    kept = path.with_name(f"{path.name}.kept")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.kept-{number}")
    path.rename(kept)
    return kept


def digest(content: bytes) -> str:
    """Give the SHA-256 of a file's content."""
    return sha256(content).hexdigest()
