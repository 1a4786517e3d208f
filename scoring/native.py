"""Where the DuckDB extension finds the bundle of a model that is registered."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from ..ir.bundle import Bundle, encode_bundle


def pinned_reference(path: Path, bundle: Bundle) -> str | None:
    """Name a bundle that was read so that the extension refuses any other in its place.

    None if it holds no native program.
    """
    return f"{path.absolute()}#{bundle.digest}" if bundle.program else None


def write_temporary(bundle: Bundle) -> str:
    """Write the bundle of a model that no registry has, until this process ends."""
    content, digest = encode_bundle(bundle)
    path = _folder() / f"{digest}.foresql"
    path.write_bytes(content)
    return f"{path}#{digest}"


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="foresql-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
