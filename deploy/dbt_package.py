"""The dbt package, copied out of the installed foresql into a user's own project."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import ForesqlError
from .shipped_files import copy_shipped, shipped_files

SHIPPED_PACKAGE = Path(__file__).resolve().parents[1] / "dbt_project/foresql_package"
MARKER = ".foresql-package.json"


@dataclass(frozen=True, slots=True)
class PackageCopy:
    """What was written.

    Attributes
    ----------
    folder
        The package.
    files
        How many files it has.
    kept
        Files that the user had edited, under the names that they have now.
    packages
        The lines of the project's ``packages.yml``.
    """

    folder: Path
    files: int
    kept: tuple[Path, ...]
    packages: str


def write_dbt_package(folder: Path) -> PackageCopy:
    """Write the package, or renew one that was written before.

    Parameters
    ----------
    folder
        Where to; it is created. The project's ``packages.yml`` is in the nearest folder above that
        has a ``dbt_project.yml``.

    Raises
    ------
    ForesqlError
        If the folder holds something that this function did not write, or cannot be written.
    """
    try:
        if folder.exists() and not (folder / MARKER).exists() and any(folder.iterdir()):
            raise ForesqlError(
                f"{folder} is not empty, and holds no package of foresql.\n"
                "  What to do: name another folder, such as packages/foresql."
            )
        folder.mkdir(parents=True, exist_ok=True)
        shipped = shipped_files(SHIPPED_PACKAGE)
        kept = copy_shipped(shipped, folder, folder / MARKER)
    except OSError as error:
        raise ForesqlError(f"{folder} cannot be written: {error}.") from error
    return PackageCopy(folder, len(shipped), tuple(kept), _packages(folder))


def _packages(folder: Path) -> str:
    place = folder.resolve()
    above = (each for each in place.parents if (each / "dbt_project.yml").exists())
    project = next(above, Path.cwd())
    local = Path(os.path.relpath(place, project)).as_posix()
    return f"packages:\n  - local: {local}\n"
