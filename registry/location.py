"""Where a registry lies, and whether a folder is one."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from ..errors import RegistryError
from .atomic import make_folder, publish_file

FORMAT_VERSION = 1
MARKER = "foresql-registry.json"
VARIABLE = "FORESQL_REGISTRY"


def default_path() -> Path:
    """Tell where the registry is if nobody says: $FORESQL_REGISTRY, or ./foresql_registry."""
    return Path(os.environ.get(VARIABLE) or "foresql_registry")


def make_registry(path: Path) -> None:
    """Make a folder a registry, unless it is one.

    Raises
    ------
    RegistryError
        If the folder holds something else, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make_folder(path.parent, path.name)
        strangers = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise RegistryError(f"{path} cannot be made a registry: {error}.") from error
    # The marker comes first, so whoever sees other files of a registry sees the marker, too.
    if strangers and not (path / MARKER).exists():
        raise RegistryError(
            f"{path} holds {min(strangers)!r} and is no registry. Choose an empty or a new folder."
        )
    with suppress(FileExistsError):
        publish_file(path / MARKER, json.dumps({"format_version": FORMAT_VERSION}).encode() + b"\n")


def check_registry(path: Path) -> None:
    """Check that a folder is a registry that this foresql understands.

    Raises
    ------
    RegistryError
        If it is not.
    """
    version = _format_version(path)
    if version > FORMAT_VERSION:
        raise RegistryError(
            f"The registry at {path} has format version {version}, and this foresql reads up to "
            f"{FORMAT_VERSION}. Install a newer foresql."
        )


def _format_version(path: Path) -> int:
    marker = path / MARKER
    try:
        content = json.loads(marker.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RegistryError(
            f"There is no registry at {path}. Publish a model to make one, call "
            f"Registry.open({str(path)!r}, create=True), or set {VARIABLE} to where it is."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise RegistryError(f"{marker} cannot be read: {error}.") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if type(version) is not int or version < 1:
        raise RegistryError(f"{marker} names no format version. It should hold 1: restore it.")
    return version
