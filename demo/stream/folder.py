"""The folder of a run: the worker's definition, its query, the registry, the predictions."""

from __future__ import annotations

import socket
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import DemoError
from .board import CLOSE_BELOW, OPEN_AT
from .query import COLUMNS, LATENESS, SCORING
from .sensors import ALERTS, STREAM, SUBJECT
from .traffic import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Folder", "opened_folder"]

_DEFINITION = """\
# What the worker does. Run it by: foresql worker run {file} --registry {registry}
name = "pumps"
query = "scoring.sql"

[source]
bus = "{address}"
stream = "{stream}"
subjects = [{subjects}]

[events]
table = "events"
format = "json"
columns = {{ {columns} }}
id = ["reading_id"]
time = "measured_at"
future = "5 minutes"

[window]
key = ["machine"]
lookback = "10 minutes"
lateness = "{lateness} seconds"

[batch]
most = 500

[sink]
to = "duckdb:{database}"
table = "predictions"

[alerts]
score = "failure_probability"
key = ["machine"]
open_at = {open_at}
close_below = {close_below}
table = "alerts"
subject = "{alerts}"

[metrics]
listen = "{metrics}"
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where things are."""

    path: Path

    @property
    def definition(self) -> Path:
        """The worker's definition."""
        return self.path / "pumps.toml"

    @property
    def query(self) -> Path:
        """The scoring query."""
        return self.path / "scoring.sql"

    @property
    def registry(self) -> Path:
        """The folder of published models."""
        return self.path / "registry"

    @property
    def database(self) -> Path:
        """The DuckDB file with predictions, alerts and dead letters."""
        return self.path / "pumps.duckdb"

    @property
    def bus(self) -> Path:
        """What the bus stores."""
        return self.path / "bus"

    @property
    def port(self) -> str:
        """The port of the bus, as the definition has it."""
        definition = tomllib.loads(self.definition.read_text("utf-8"))
        return str(definition["source"]["bus"]).rpartition(":")[2]

    @property
    def logs(self) -> Path:
        """What the server and the worker printed."""
        return self.path / "logs"

    def write_definition(self, address: str) -> str:
        """Write definition and query, and give the address of the worker's metrics."""
        metrics = f"127.0.0.1:{_free_port()}"
        text = _DEFINITION.format(
            file=self.definition.name,
            registry=self.registry.name,
            address=address,
            stream=STREAM,
            subjects=", ".join(f'"{SUBJECT}.{number}"' for number in range(PARTITIONS)),
            columns=", ".join(f'{name} = "{kind}"' for name, kind in COLUMNS.items()),
            lateness=LATENESS,
            database=self.database.name,
            open_at=OPEN_AT,
            close_below=CLOSE_BELOW,
            alerts=ALERTS,
            metrics=metrics,
        )
        self.definition.write_text(text, "utf-8")
        self.query.write_text(SCORING, "utf-8")
        return metrics


@contextmanager
def opened_folder(path: str | None) -> Generator[Folder]:
    """Make the folder of a run; without a path it is gone at the end.

    Raises
    ------
    DemoError
        If there is something in it already.
    """
    if path is None:
        with TemporaryDirectory(prefix="foresql_stream_", ignore_cleanup_errors=True) as made:
            yield _prepared(Path(made))
        return
    folder = Path(path).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DemoError(
            f"{folder} holds something already, and the demo begins with nothing.\n"
            "  What to do: name another folder by --folder, or remove this one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    yield _prepared(folder)


def _prepared(path: Path) -> Folder:
    folder = Folder(path)
    folder.logs.mkdir()
    return folder


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
