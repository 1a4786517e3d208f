"""Which files a path means, and their formats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import ScoringError

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_WILDCARDS = re.compile(r"[*?\[]")


def format_of(path: Path) -> str:
    """Tell a file's format by its ending."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        message = f"{path} has an unknown ending; use one of {', '.join(FORMATS)}."
        raise ScoringError(message)
    return found


def files_of(source: Path) -> list[Path]:
    """List the files that are meant: one, those of a folder, or those that match a pattern.

    A file of just this name goes before a pattern. Names that begin with a dot or an underscore are
    no data.
    """
    if source.is_dir():
        found = [path for path in source.iterdir() if path.suffix.lower() in FORMATS]
    elif _WILDCARDS.search(source.name) and not source.exists():
        found = list(source.parent.glob(source.name))
    else:
        format_of(source)
        if source.exists():
            return [source]
        message = f"There is no file {source}."
        raise ScoringError(message)
    files = sorted(path for path in found if path.is_file() and path.name[0] not in "._")
    if not files:
        message = f"{source} cannot be read: there is no file of {', '.join(FORMATS)}."
        raise ScoringError(message)
    formats = {format_of(path) for path in files}
    if len(files) > 1 and formats not in ({"parquet"}, {"arrow"}):
        message = (
            f"{source} cannot be read: several files must all be Parquet, or all Arrow. Give a "
            "pattern such as 'folder/*.parquet'."
        )
        raise ScoringError(message)
    return files


def without_wildcards(path: Path) -> str:
    """Write a path so that DuckDB reads this file, and not those that its name would match."""
    return _WILDCARDS.sub(r"[\g<0>]", str(path))
