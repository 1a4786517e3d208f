"""Predictions in a folder of Parquet files: one for each batch of a partition, once or not at all.

Positions are those that the newest file of each partition says. What other sinks do by a
transaction a file's name does: it is made of the offset behind which the batch begins, and a second
file cannot have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ....errors import StreamError
from ....registry.atomic import remove_temporaries
from ...bookkeeping import moment
from ..definition import PARTITION
from .layout import (
    DEAD,
    check_moves,
    check_shape,
    dead_rows,
    describe_difference,
    moved_error,
    plain,
    plain_schema,
    read_place,
    refuse_difference,
)
from .numbers import unfit_numbers
from .parquet_files import (
    SUFFIX,
    Footer,
    batch_name,
    content_of,
    discard,
    explained,
    partition_folder,
    publish,
    read_footer,
    settle,
    stage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..records import Offset, Outcome, Shape

_OLD = 3600.0
"""What a killed worker left unfinished is removed after so many seconds."""
_NO_PLACE = (pa.types.is_interval, pa.types.is_duration)


class ParquetSink:
    """A folder with one folder a table, in which each partition has one."""

    exactly_once = True

    def __init__(self, root: Path, table: str) -> None:
        """Name the folder, and the predictions' folder in it."""
        self._root = root
        self._table = str(read_place(table))
        self._shape: Shape | None = None
        self._newest: dict[str, Footer] = {}

    def open(self, shape: Shape) -> None:
        """Make the folder; refuse files of other columns, or of another worker."""
        check_shape(shape)
        self._check(shape)
        with explained(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
        self._shape = shape
        for folder in sorted((self._root / self._table).glob("partition=*")):
            newest = _newest_of(folder)
            if newest is not None:
                self._compare(newest, shape)
                settle(self._root, read_footer(newest))
        with explained(self._root):
            remove_temporaries(self._root, _OLD)

    def positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the last offset that is done of each partition that has one."""
        footers = {partition: self._look(partition) for partition in partitions}
        return {name: footer.after for name, footer in footers.items() if footer is not None}

    def read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        """Refuse: there are no further tables."""
        del column
        message = f"There is no table {table} for {', '.join(values)} in a folder of Parquet."
        raise StreamError(message)

    def unfit(self, rows: pa.Table) -> Mapping[int, str]:
        """Say which rows have a whole number that only looks like a DECIMAL."""
        return unfit_numbers(plain(rows))

    def write(self, outcome: Outcome) -> int:
        """Write one file for each partition that a batch moves; the name of each is the fence.

        Partitions are each for itself: where one was moved by another worker, those before it in
        the batch may be there, with their positions.
        """
        shape = self._opened
        stored = {
            name: footer.after
            for name in outcome.moves
            if (footer := self._newest.get(name) or self._look(name)) is not None
        }
        check_moves(shape.source, stored, outcome.moves)
        for partition in sorted(outcome.moves):
            self._write_partition(outcome, partition)
        return 0

    def close(self) -> None:
        """Forget what was seen of the folder."""
        self._newest.clear()

    @property
    def _opened(self) -> Shape:
        if self._shape is None:
            message = "The sink is not open."
            raise StreamError(message)
        return self._shape

    def _folder(self, table: str, partition: str) -> Path:
        return self._root / table / partition_folder(partition)

    def _look(self, partition: str) -> Footer | None:
        """Look at the newest batch of a partition, and finish it where its worker did not."""
        newest = _newest_of(self._folder(self._table, partition))
        self._newest.pop(partition, None)
        if newest is None:
            return None
        footer = self._newest[partition] = read_footer(newest)
        settle(self._root, footer)
        return footer

    def _write_partition(self, outcome: Outcome, partition: str) -> None:
        shape, move = self._opened, outcome.moves[partition]
        name = batch_name(partition, move.before)
        folder = partition_folder(partition)
        staged: dict[str, str] = {}
        letters = _of(outcome.dead, partition)
        if letters.num_rows:
            content = content_of(dead_rows(shape.source, letters, moment()))
            staged[stage(self._root, content)] = f"{DEAD}/{folder}/{name}"
        footer = Footer(
            source=shape.source,
            worker=shape.worker,
            events=outcome.events.get(partition, 0),
            before=move.before,
            after=move.after,
            staged=staged,
        )
        rows = content_of(_of(plain(outcome.predictions), partition), footer)
        if not publish(self._root, f"{self._table}/{folder}/{name}", rows):
            discard(self._root, footer)
            self._newest.pop(partition, None)
            raise moved_error(shape.source, [partition])
        self._newest[partition] = footer
        settle(self._root, footer)

    def _check(self, shape: Shape) -> None:
        """Refuse what files of Parquet cannot keep or do."""
        if shape.key:
            message = (
                "[events] id needs a sink that finds an event among all that were ever scored, "
                "and a folder of Parquet has no index.\n"
                "  What to do: take duckdb: or postgresql:// as the sink, or leave id out and "
                "take events apart where they are read."
            )
            raise StreamError(message)
        if shape.tables:
            message = (
                f"Windows and alerts keep tables ({', '.join(shape.tables)}), whose rows change in "
                "the transaction of a batch, and a folder of Parquet has none.\n"
                "  What to do: take duckdb: or postgresql:// as the sink."
            )
            raise StreamError(message)
        if self._table.casefold() == DEAD:
            message = f"[sink] table cannot be {self._table}, which is the dead letters' folder."
            raise StreamError(message)
        for field in plain_schema(shape.predictions):
            if any(has_none(field.type) for has_none in _NO_PLACE):
                message = (
                    f"Parquet has no place for the column {field.name}, which is {field.type}."
                    f" Cast it in the query: epoch_us({field.name})."
                )
                raise StreamError(message)

    def _compare(self, path: Path, shape: Shape) -> None:
        footer = read_footer(path)
        if footer.source != shape.source:
            message = (
                f"The folder {self._root / self._table} has the predictions of {footer.source}, "
                f"and this worker is {shape.source}. Give each a folder or table of its own."
            )
            raise StreamError(message)
        there, wanted = (
            {field.name.casefold(): str(field.type) for field in schema}
            for schema in (pq.read_schema(path), plain_schema(shape.predictions))
        )
        refuse_difference(str(path.parent.parent), describe_difference(there, wanted))


def _newest_of(folder: Path) -> Path | None:
    return max(folder.glob(f"[!.]*{SUFFIX}"), default=None, key=lambda path: path.name)


def _of(rows: pa.Table, partition: str) -> pa.Table:
    return rows.filter(pc.equal(rows.column(PARTITION), partition))
