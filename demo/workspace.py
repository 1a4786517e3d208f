"""The folder that the demo fills, and that the user goes on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from .errors import DemoError

__all__ = ["Workspace", "open_workspace"]

SHIPPED_PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
SHIPPED_SUFFIXES = {".md", ".sql", ".yml"}
WRITTEN_BY_DBT = {"dbt_packages", "logs", "target"}
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


def refuse_foreign_folder(workspace: Workspace) -> None:
    mine = ("database", "registry", "project", "logs", "features")
    paths = [getattr(workspace, name) for name in mine]
    if taken := [path.name for path in paths if path.exists()]:
        raise DemoError(
            f"{workspace.folder} already holds {', '.join(taken)}, which no demo put there.\n"
            "  What to do: name another folder, `foresql demo --folder my_demo`."
        )


def copy_project(workspace: Workspace) -> None:
    before = read_marker(workspace)
    shipped = {path.relative_to(SHIPPED_PROJECT): path.read_bytes() for path in shipped_files()}
    now = {name.as_posix(): digest(content) for name, content in shipped.items()}
    # Written first: a run that is cut short after this line is still known as the demo's.
    workspace.marker.write_text(json.dumps(before | now, indent=1, sort_keys=True))
    for name in before.keys() - now.keys():
        keep_edited(workspace.project / name, before[name])
        (workspace.project / name).unlink(missing_ok=True)
    for name, content in shipped.items():
        target = workspace.project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        keep_edited(target, before.get(name.as_posix()), digest(content))
        target.write_bytes(content)
    workspace.marker.write_text(json.dumps(now, indent=1, sort_keys=True))


def read_marker(workspace: Workspace) -> dict[str, str]:
    if not workspace.marker.exists():
        return {}
    try:
        return {
            str(name): str(found)
            for name, found in json.loads(workspace.marker.read_text()).items()
        }
    except (ValueError, AttributeError) as error:
        raise DemoError(f"{workspace.marker} is not readable: {error}") from error


def shipped_files() -> list[Path]:
    return [
        path
        for path in SHIPPED_PROJECT.rglob("*")
        if path.suffix in SHIPPED_SUFFIXES
        and path.relative_to(SHIPPED_PROJECT).parts[0] not in WRITTEN_BY_DBT
    ]


def keep_edited(path: Path, *written: str | None) -> None:
    """Rename a file out of the way unless its content is one that the demo wrote or will write."""
    if not path.exists() or digest(path.read_bytes()) in written:
        return
    kept = path.with_name(f"{path.name}.kept")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.kept-{number}")
    path.rename(kept)


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()
