"""The folder that the demo fills, and that the user goes on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..deploy.shipped_files import (
    copy_shipped,
    digest,
    read_marker,
    shipped_files,
    write_marker,
)
from ..errors import ForesqlError
from .errors import DemoError

__all__ = ["Workspace", "open_workspace", "write_project_file"]

SHIPPED_PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
MARKER = ".foresql-demo.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where the demo keeps its things, all below one folder."""

    folder: Path

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.folder / "flights.duckdb"

    @property
    def registry(self) -> Path:
        """The folder of published models."""
        return self.folder / "registry"

    @property
    def project(self) -> Path:
        """The dbt project."""
        return self.folder / "dbt_project"

    @property
    def logs(self) -> Path:
        """The folder of what dbt printed."""
        return self.folder / "logs"

    @property
    def features(self) -> Path:
        """The Parquet file of all flights' features, to score by file."""
        return self.folder / "flight_features.parquet"

    @property
    def marker(self) -> Path:
        """The file that says which files of the project the demo wrote, and their content."""
        return self.folder / MARKER


def open_workspace(folder: Path) -> Workspace:
    """Make the folder ready for a run from the start.

    Nothing that the demo did not write is deleted or overwritten: a project file that was edited
    is renamed to `<name>.kept` before the shipped one takes its place, and published versions
    stay in the registry.

    Parameters
    ----------
    folder
        Created if it does not exist.

    Raises
    ------
    DemoError
        The folder holds something by a name that the demo needs, and no demo made it.
    """
    workspace = Workspace(folder.resolve())
    if not workspace.marker.exists():
        refuse_foreign_folder(workspace)
    for path in (workspace.project, workspace.logs):
        path.mkdir(parents=True, exist_ok=True)
    copy_project(workspace)
    return workspace


def write_project_file(workspace: Workspace, name: str, text: str) -> None:
    """Write a file of the project anew, and remember that the demo did: it is no edit to keep."""
    content = text.encode()
    written = read_marker(workspace.marker) | {name: digest(content)}
    (workspace.project / name).write_bytes(content)
    write_marker(workspace.marker, written)


def refuse_foreign_folder(workspace: Workspace) -> None:
    mine = ("database", "registry", "project", "logs", "features")
    paths = [getattr(workspace, name) for name in mine]
    if taken := [path.name for path in paths if path.exists()]:
        raise DemoError(
            f"{workspace.folder} already holds {', '.join(taken)}, which no demo put there.\n"
            "  What to do: name another folder, `foresql demo --folder my_demo`."
        )


def copy_project(workspace: Workspace) -> None:
    try:
        copy_shipped(shipped_files(SHIPPED_PROJECT), workspace.project, workspace.marker)
    except ForesqlError as error:
        raise DemoError(str(error)) from error
