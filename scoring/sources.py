"""Open what is scored: files and streams of batches."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ScoringError
from ..udfs.duckdb import interruptible
from ..udfs.duckdb.macros import argument_of
from .answers import Rows
from .checks import FEATURES, carried_columns, is_direct, is_text, projected
from .parquet import parquet_parts
from .paths import format_of, without_wildcards

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..ir import Model
    from .answers import Answering

    Part: TypeAlias = Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What is asked of a source. ``columns`` are to be carried over: all, if None."""

    answering: Answering
    columns: Sequence[str] | None
    batch_rows: int

    @property
    def model(self) -> Model:
        """The model whose columns are read."""
        return self.answering.scorer.model


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """The columns that are carried over, and where the model's are: by its names, if not a struct.

    Texts that Arrow keeps as codes are carried over as texts.
    """

    carried: Sequence[str]
    features: Mapping[str, str] | None

    @property
    def names(self) -> list[str]:
        """All columns that are read."""
        return [*dict.fromkeys((*self.carried, *(self.features or {}).values()))]

    def rows_of(self, batch: pa.RecordBatch) -> Rows:
        """Split a batch."""
        columns = [_as_text(batch.column(name)) for name in self.carried]
        carried = pa.RecordBatch.from_arrays(columns, names=[*self.carried])
        if self.features is None:
            return Rows(carried, batch.column(FEATURES))
        read = [batch.column(name) for name in self.features.values()]
        return Rows(carried, pa.RecordBatch.from_arrays(read, names=[*self.features]))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What is to be scored, ready to be read.

    ``parts`` are read by the threads that score. ``total`` is the number of rows where it is known.
    """

    schema: pa.Schema
    total: int | None
    picked: Picked
    parts: Iterator[Part]


@contextmanager
def open_files(source: Path, files: Sequence[Path], wanted: Wanted) -> Generator[Source]:
    """Open files of one format and one schema.

    Raises
    ------
    SignatureError
        If a column is missing, of the wrong type, or would be written twice.
    ScoringError
        If a file cannot be read.
    """
    with interruptible(duckdb.connect()) as connection:
        with readable(source):
            match format_of(files[0]):
                case "parquet":
                    opened = _parquet(connection, source, files, wanted)
                case "csv":
                    relation = _read_csv(connection, files[0], wanted.model)
                    _, selected = _checked(connection, relation, wanted)
                    opened = _through_duckdb(selected, None, wanted, source)
                case _:
                    opened = _arrow(connection, source, files, wanted)
        yield opened


@contextmanager
def open_batches(batches: pa.RecordBatchReader, wanted: Wanted) -> Generator[Source]:
    """Open a stream; an error of the stream's own is passed on as it is.

    Raises
    ------
    SignatureError
        If a column is missing, of the wrong type, or would be written twice.
    """
    schema = batches.schema
    with interruptible(duckdb.connect()) as connection:
        relation = connection.from_arrow(schema.empty_table())
        carried, _ = _checked(connection, relation, wanted)
        if is_direct(schema, wanted.model, carried):
            picked = _picked(schema, carried, wanted.model)
            yield Source(schema, None, picked, _parts(_pieces(batches, wanted.batch_rows)))
        else:
            _, selected = _checked(connection, connection.from_arrow(batches), wanted)
            yield _through_duckdb(selected, None, wanted, "the stream")


@contextmanager
def readable(source: Path | str) -> Generator[None]:
    """Turn errors of reading into ours. Arrow passes those of DuckDB on as input and output."""
    try:
        yield
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        message = f"{source} cannot be read: {error}"
        raise ScoringError(message) from error


def _checked(
    connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, wanted: Wanted
) -> tuple[list[str], duckdb.DuckDBPyRelation]:
    """Check the columns; give those that are carried over, and the selection in DuckDB."""
    added = wanted.answering.added
    carried = carried_columns(relation.columns, wanted.model, wanted.columns, added)
    return carried, projected(relation, connection, wanted.model, carried)


def _parquet(
    connection: duckdb.DuckDBPyConnection, source: Path, files: Sequence[Path], wanted: Wanted
) -> Source:
    paths = [without_wildcards(path) for path in files]
    relation = connection.read_parquet(paths, hive_partitioning=False)
    metadata = [pq.read_metadata(path) for path in files]
    total = sum(each.num_rows for each in metadata)
    schemas = [each.schema.to_arrow_schema() for each in metadata]
    others = [path for path, s in zip(files, schemas, strict=True) if not s.equals(schemas[0])]
    if others:
        message = f"{source} cannot be read: {others[0]} has other columns than {files[0]}."
        raise ScoringError(message)
    carried, selected = _checked(connection, relation, wanted)
    if not is_direct(schemas[0], wanted.model, carried):
        return _through_duckdb(selected, total, wanted, source)
    picked = _picked(schemas[0], carried, wanted.model)
    parts = parquet_parts(files, metadata, picked.names, picked.carried, wanted.batch_rows)
    return Source(schemas[0], total, picked, _guarded(parts, source))


def _arrow(
    connection: duckdb.DuckDBPyConnection, source: Path, files: Sequence[Path], wanted: Wanted
) -> Source:
    from pyarrow.dataset import dataset  # it imports pandas where that is installed

    rows = dataset([str(path) for path in files], format="ipc")
    total = rows.count_rows()
    carried, selected = _checked(connection, connection.from_arrow(rows), wanted)
    if not is_direct(rows.schema, wanted.model, carried):
        return _through_duckdb(selected, total, wanted, source)
    picked = _picked(rows.schema, carried, wanted.model)
    batches = rows.to_batches(
        columns=picked.names,
        batch_size=wanted.batch_rows,
        batch_readahead=2,
        fragment_readahead=1,
    )
    return Source(rows.schema, total, picked, _guarded(_parts(batches), source))


def _through_duckdb(
    selected: duckdb.DuckDBPyRelation, total: int | None, wanted: Wanted, source: Path | str
) -> Source:
    """Let DuckDB read, and cast the model's columns."""
    with readable(source):
        batches = selected.to_arrow_reader(wanted.batch_rows)
    schema = batches.schema
    carried = [name for name in schema.names if name != FEATURES]
    return Source(schema, total, Picked(carried, None), _guarded(_parts(batches), source))


def _picked(schema: pa.Schema, carried: Sequence[str], model: Model) -> Picked:
    by_name = {name.casefold(): name for name in schema.names}
    features = {name: by_name[name.casefold()] for name in model.signature.names}
    return Picked([by_name[name.casefold()] for name in carried], features)


def _parts(batches: Iterable[pa.RecordBatch]) -> Iterator[Part]:
    return (partial(iter, [batch]) for batch in batches)


def _pieces(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Cut batches that are larger than is wanted."""
    for batch in batches:
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _guarded(parts: Iterator[Part], source: Path | str) -> Iterator[Part]:
    """Turn errors of reading the parts, and of finding the next, into ours."""

    def read(part: Part) -> Iterator[pa.RecordBatch]:
        with readable(source):
            for batch in part():
                for column in batch.columns:
                    if is_text(column.type):
                        column.validate(full=True)  # a file may hold bytes that are no UTF-8
                yield batch

    with readable(source):
        for part in parts:
            yield partial(read, part)


def _as_text(column: pa.Array) -> pa.Array:
    is_coded = pa.types.is_dictionary(column.type)
    return column.cast(column.type.value_type) if is_coded else column


def _read_csv(
    connection: duckdb.DuckDBPyConnection, source: Path, model: Model
) -> duckdb.DuckDBPyRelation:
    """Read a CSV file in the model's types where the file's own text does not tell them.

    Codes of digits are text to some models, flags may be written 0 and 1, and a column without any
    value may be of any type.
    """
    path = without_wildcards(source)
    found = connection.read_csv(path)
    wanted = {
        column.name.casefold(): argument_of(model, column).accepts.replace("HUGEINT", "BIGINT")
        for column in model.signature.columns
    }
    types = {
        name: wanted[name.casefold()]
        for name, kind in zip(found.columns, found.types, strict=True)
        if name.casefold() in wanted
        and (wanted[name.casefold()] in {"VARCHAR", "BOOLEAN"} or str(kind) == "VARCHAR")
    }
    return connection.read_csv(path, dtype=types) if types else found
