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
    count_events,
    dead_rows,
    describe_difference,
    moved_error,
    plain,
    plain_schema,
    read_place,
    refuse_difference,
)
from .parquet_files import (
    SUFFIX,
    Footer,
    batch_name,
    content_of,
    discard,
    drop_forgotten,
    explained,
    pack,
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
        self._kept: dict[tuple[str, str], list[tuple[Path, pa.Scalar]]] = {}

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

    def read(self, table: str, partitions: Sequence[str]) -> pa.Table:
        """Give the rows of one of the further tables that belong to partitions."""
        schema = plain_schema(self._opened.tables[table])
        found = [schema.empty_table()]
        for partition in partitions:
            footer = self._look(partition)
            if footer is not None:
                files = sorted((self._folder(table, partition)).glob(f"*{SUFFIX}"))
                rows = pa.concat_tables(
                    [schema.empty_table(), *(_read(path, schema) for path in files)]
                )
                found.append(drop_forgotten(rows, footer.forgotten.get(table)))
        return pa.concat_tables(found)

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
        counts = count_events(outcome)
        for partition in sorted(outcome.moves):
            self._write_partition(outcome, partition, counts[partition])
        return 0

    def close(self) -> None:
        """Forget what was seen of the folder."""
        self._newest.clear()
        self._kept.clear()

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
        self._forget(partition)
        if newest is None:
            return None
        footer = self._newest[partition] = read_footer(newest)
        settle(self._root, footer)
        return footer

    def _forget(self, partition: str) -> None:
        """Forget what was seen of a partition: another worker may have written to it."""
        self._newest.pop(partition, None)
        self._kept = {key: files for key, files in self._kept.items() if key[1] != partition}

    def _write_partition(self, outcome: Outcome, partition: str, events: int) -> None:
        shape, move = self._opened, outcome.moves[partition]
        name = batch_name(partition, move.before)
        folder = partition_folder(partition)
        tables = {DEAD: dead_rows(shape.source, outcome.dead, moment()), **outcome.tables}
        staged: dict[str, str] = {}
        for table, rows in tables.items():
            own = _of(plain(rows), partition)
            if own.num_rows:
                staged[stage(self._root, content_of(own))] = f"{table}/{folder}/{name}"
        before = self._newest.get(partition)
        footer = Footer(
            source=shape.source,
            worker=shape.worker,
            events=events,
            before=move.before,
            after=move.after,
            staged=staged,
            forgotten=dict(before.forgotten if before else {}) | self._bounds(outcome, partition),
        )
        rows = content_of(_of(plain(outcome.predictions), partition), footer)
        if not publish(self._root, f"{self._table}/{folder}/{name}", rows):
            discard(self._root, footer)
            self._forget(partition)
            raise moved_error(shape.source, [partition])
        self._newest[partition] = footer
        settle(self._root, footer)
        self._remove_forgotten(outcome, partition)

    def _bounds(self, outcome: Outcome, partition: str) -> dict[str, str]:
        return {
            table: pack(column, self._scalar(table, column, bounds[partition]))
            for table, (column, bounds) in outcome.forgotten.items()
            if partition in bounds
        }

    def _scalar(self, table: str, column: str, value: object) -> pa.Scalar:
        return pa.scalar(value, plain_schema(self._opened.tables[table]).field(column).type)

    def _remove_forgotten(self, outcome: Outcome, partition: str) -> None:
        """Remove files all of whose rows are needed no more."""
        for table, (column, bounds) in outcome.forgotten.items():
            if partition not in bounds:
                continue
            bound = self._scalar(table, column, bounds[partition])
            kept = self._files(table, partition, column, outcome)
            for path, greatest in kept:
                if pc.less(greatest, bound).as_py():
                    path.unlink(missing_ok=True)
            self._kept[table, partition] = [
                each for each in kept if not pc.less(each[1], bound).as_py()
            ]

    def _files(
        self, table: str, partition: str, column: str, outcome: Outcome
    ) -> list[tuple[Path, pa.Scalar]]:
        """List a table's files of a partition with their greatest values; read once, then kept."""
        folder = self._folder(table, partition)
        kept = self._kept.get((table, partition))
        if kept is None:
            paths = sorted(folder.glob(f"*{SUFFIX}"))
            return [(path, pc.max(pq.ParquetFile(path).read([column]).column(0))) for path in paths]
        rows = _of(plain(outcome.tables[table]), partition) if table in outcome.tables else None
        if rows is not None and rows.num_rows:
            name = batch_name(partition, outcome.moves[partition].before)
            kept.append((folder / name, pc.max(rows.column(column))))
        return kept

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
        if self._table.casefold() in {DEAD, *(name.casefold() for name in shape.tables)}:
            message = f"The predictions' table cannot be {self._table}, which is another's folder."
            raise StreamError(message)
        for schema in (shape.predictions, *shape.tables.values()):
            for field in plain_schema(schema):
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


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    return pq.ParquetFile(path).read().select(schema.names).cast(schema)
