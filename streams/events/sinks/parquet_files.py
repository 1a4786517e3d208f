"""The files of a Parquet sink: their names, what their footers say, and how they appear.

One link makes a batch of a partition be there: that of the file of predictions, under a name that
only one worker can take. The batch's dead letters are on disk before that, under a name that no
reader's pattern finds; the footer says where they go, and whoever sees the batch next brings them
there where its worker was killed.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from ....errors import RegistryError, StreamError
from ....registry.atomic import TEMPORARY_PREFIX, make_folder, publish_file, sync

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from ..records import Offset

SUFFIX = ".parquet"
_FOOTER = b"foresql"
_FIRST = "0"
_STAGED = ".staged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What a file of predictions says of its batch.

    Attributes
    ----------
    source, worker, events
        Whose it is, who wrote it, and of how many events.
    before, after
        How far it moves the partition.
    staged
        The batch's dead letters: from where they are before the batch is there to where they go.
    """

    source: str
    worker: str
    events: int
    before: Offset | None
    after: Offset
    staged: Mapping[str, str] = field(default_factory=dict)


def partition_folder(partition: str) -> str:
    """Name a partition's folder, as Hive does."""
    return f"partition={quote(partition, safe='')}"


def batch_name(partition: str, before: Offset | None) -> str:
    """Name the file of the batch that begins behind an offset; later ones compare greater."""
    match before:
        case None:
            start = _FIRST
        case int():
            start = f"{before + 1:020d}"
        case str():
            start = quote(before, safe="")
    return f"{quote(partition, safe='')}-{start}{SUFFIX}"


def read_footer(path: Path) -> Footer:
    """Read what a file of predictions says of its batch.

    Raises
    ------
    StreamError
        If it is none of foresql's.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        return Footer(**json.loads(metadata[_FOOTER]))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        message = (
            f"{path} is no file that a worker wrote, or it is damaged, so the position of its "
            f"partition is not known: {error!r}\n"
            "  What to do: bring the file back from a copy, or move others' files elsewhere."
        )
        raise StreamError(message) from error


def content_of(rows: pa.Table, footer: Footer | None = None) -> bytes:
    """Write rows as a Parquet file."""
    if footer is not None:
        told = json.dumps(asdict(footer), sort_keys=True).encode()
        rows = rows.replace_schema_metadata({_FOOTER: told})
    stream = pa.BufferOutputStream()
    pq.write_table(rows, stream, compression="zstd")
    return stream.getvalue().to_pybytes()


def publish(root: Path, place: str, content: bytes) -> bool:
    """Make a file appear, whole and on disk; False where its name is taken."""
    *folders, name = place.split("/")
    with explained(root / place):
        folder = make_folder(root, *folders)
        try:
            publish_file(folder / name, content)
        except FileExistsError:
            return False
        return True


def stage(root: Path, content: bytes) -> str:
    """Bring a file to disk where no reader looks, and give its place."""
    place = f"{_STAGED}/{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    publish(root, place, content)
    return place


def settle(root: Path, footer: Footer) -> None:
    """Bring the other files of a batch that is there to their places."""
    for staged, place in footer.staged.items():
        *folders, name = place.split("/")
        with explained(root / place):
            if (root / staged).exists():
                folder = make_folder(root, *folders)
                with suppress(FileExistsError, FileNotFoundError):
                    os.link(root / staged, folder / name)
                sync(folder)
                (root / staged).unlink(missing_ok=True)


def discard(root: Path, footer: Footer) -> None:
    """Remove the files of a batch that will not be there."""
    for staged in footer.staged:
        (root / staged).unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Say what to do where a file cannot be written."""
    try:
        yield
    except (OSError, RegistryError) as error:
        cause = error.__cause__ if isinstance(error, RegistryError) else error
        reason = (isinstance(cause, OSError) and cause.strerror) or str(cause or error)
        message = (
            f"{path} cannot be written: {reason}.\n"
            "  What to do: see that this user may write there, that the disk has room, and that "
            "its file system has hard links, which decide who wins where two workers write; then "
            "start the worker again. What is there is whole, and no event is lost."
        )
        raise StreamError(message) from error
