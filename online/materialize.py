"""Read feature views from a warehouse, and put them in place as snapshots."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import FeatureError
from .keys import KeyCodec
from .manifest import check_columns, read_missing
from .opening import REDIS
from .rows import RowCodec
from .source import check_there, open_warehouse, value_at
from .view import FeatureView, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .definition import Wanted
    from .manifest import Manifest
    from .source import Warehouse

    Progress = Callable[[str, int], None]
    Encoded = Iterator[tuple[Any, bytes]]


class Target(Protocol):
    """Where snapshots are written."""

    def replace(self, view: FeatureView, rows: Encoded, source: Mapping[str, str]) -> Manifest:
        """Write all rows, and only then let them be the view's newest snapshot."""
        ...

    def close(self) -> None:
        """Let others write."""
        ...


@dataclass(frozen=True, slots=True)
class Materialized:
    """What became of a view: its snapshot, or the problem."""

    name: str
    manifest: Manifest | None
    seconds: float
    problem: str | None = None


def materialize(  # noqa: PLR0913 - keyword options of one call
    views: Sequence[Wanted],
    into: str,
    *,
    database: Path | None = None,
    registry: str | None = None,
    wait: float = 0,
    allow_empty: bool = False,
    progress: Progress | None = None,
) -> list[Materialized]:
    """Replace the snapshots of views by what the warehouse has now.

    Each view is replaced as a whole, or stays as it is: where one cannot be read, the others are
    replaced all the same.

    Parameters
    ----------
    views
        What is read.
    into
        A folder, which is made where it is missing, or ``redis://host:port/database``.
    database
        A DuckDB file; none for queries of files.
    registry
        For queries that call models.
    wait
        Seconds to wait while another process writes to the database, or to the folder.
    allow_empty
        Replace a snapshot by one without any row.
    progress
        Called with a view's name and the rows that are done.

    Raises
    ------
    FeatureError
        If the warehouse or the target cannot be opened.
    """
    done: list[Materialized] = []
    check_there(database)  # before a folder is made for it
    # The place first: who waits for it opens the warehouse after those who had it before, and so
    # never puts an older state over a newer one.
    with (
        closing(open_target(into, wait)) as target,
        open_warehouse(database, registry, wait) as warehouse,
    ):
        for wanted in views:
            started = time.monotonic()
            manifest, problem = None, None
            try:
                manifest = _materialize(
                    warehouse, wanted, target, progress, allow_empty=allow_empty
                )
            except FeatureError as error:
                problem = str(error)
            seconds = time.monotonic() - started
            done.append(Materialized(wanted.name, manifest, seconds, problem))
    return done


def open_target(into: str, wait: float = 0) -> Target:
    """Open a folder or a server to write.

    Raises
    ------
    FeatureError
        If it cannot be written, or another process writes there.
    """
    if into.startswith(REDIS):
        from .redis_target import RedisTarget

        return RedisTarget(into)
    from .folder_target import FolderTarget

    return FolderTarget(into, wait)


def _materialize(
    warehouse: Warehouse,
    wanted: Wanted,
    target: Target,
    progress: Progress | None,
    *,
    allow_empty: bool,
) -> Manifest:
    # Nobody changes a file while it is open; without one, the query reads other files now.
    as_of = datetime.now(UTC) if warehouse.path is None else warehouse.opened_at
    warehouse.register(wanted)
    columns = warehouse.columns_of(wanted)
    by_name = {name.lower(): name for name in columns}
    keys = tuple(by_name.get(key.lower(), key) for key in wanted.keys)
    check_columns(columns, keys, wanted.title)
    warehouse.check_collations(wanted, columns)
    plain = FeatureView(wanted.name, keys, columns, Missing(), as_of)
    missing = read_missing(wanted.missing, wanted.defaults, plain)
    view = FeatureView(wanted.name, keys, columns, missing, as_of)
    rows = _encoded(warehouse, wanted, view, progress, allow_empty=allow_empty)
    source = {
        "database": warehouse.title,
        "query" if wanted.query else "relation": wanted.query or wanted.relation or wanted.name,
    }
    return target.replace(view, rows, source)


def _encoded(
    warehouse: Warehouse,
    wanted: Wanted,
    view: FeatureView,
    progress: Progress | None,
    *,
    allow_empty: bool,
) -> Encoded:
    """Give keys and rows as they are stored, and refuse a key that is there twice."""
    keys = KeyCodec(view.name, view.keys, view.columns)
    rows = RowCodec(view.columns)
    previous, done = None, 0
    for batch in warehouse.batches(wanted, view):
        key_columns = [batch.column(key) for key in view.keys]
        encoded = keys.encode_batch(key_columns)
        for place, key in enumerate(encoded):
            if key == previous:
                named = ", ".join(
                    f"{name} = {value_at(column, place)!r:.80}"
                    for name, column in zip(view.keys, key_columns, strict=True)
                )
                message = (
                    f"{view.name} has more than one row for {named}.\n  What to do: let the view "
                    f"give one row for each {', '.join(view.keys)}, or name more columns as --key."
                )
                raise FeatureError(message)
            previous = key
        yield from zip(encoded, rows.encode(batch), strict=True)
        done += batch.num_rows
        if progress is not None:
            progress(view.name, done)
    if not done and not allow_empty:
        message = (
            f"{wanted.title} has no rows, so its snapshot stays as it is.\n  What to do: find out "
            "why; where that is right: --allow-empty."
        )
        raise FeatureError(message)
