"""Score a stream of record batches, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

from ..errors import ScoringError
from ..kernels import Scorer
from .answers import Answering
from .models import OpenModel, open_model
from .pipeline import cores, in_order
from .sources import Wanted, open_batches

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from .sources import Part, Source

BATCH_ROWS = 131_072

_WHAT_GIVES_BATCHES = (
    "give a pyarrow.RecordBatchReader, a table, or an iterable of pyarrow.RecordBatch"
)


@runtime_checkable
class ArrowStream(Protocol):
    """What gives Arrow batches: a reader, a table, a polars frame, a DuckDB relation."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the stream."""


def score_batches(  # noqa: PLR0913 - keyword options of one call
    model: str | Path | OpenModel,
    batches: ArrowStream | Iterable[pa.RecordBatch],
    *,
    registry: str | Path | None = None,
    columns: Sequence[str] | None = None,
    threads: int | None = None,
    batch_rows: int = BATCH_ROWS,
) -> pa.RecordBatchReader:
    """Score a stream of record batches as it is read.

    Parameters
    ----------
    model
        A reference into the registry, the path of a ``.foresql`` file, or what ``open_model`` gave.
    batches
        A ``RecordBatchReader``, a table, anything with ``__arrow_c_stream__``, or an iterable of
        record batches of one schema.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    columns
        The columns of the batches that are carried over: all by default.
    threads
        How many batches are scored at once: one a core by default.
    batch_rows
        The most rows that are scored at a time; a larger batch is cut.

    Returns
    -------
    pyarrow.RecordBatchReader
        The rows in their order, with ``prediction``, and ``probability`` of a classifier. A few
        batches are read ahead of what is drawn.

    Raises
    ------
    SignatureError
        If a column is missing or of the wrong type, or would be there twice.
    ScoringError
        While batches are drawn: if the library would refuse a row.
    """
    check_counts(threads, batch_rows)
    opened = model if isinstance(model, OpenModel) else open_model(model, registry)
    answering = Answering(Scorer(opened.bundle.model, opened.bundle.program), {})
    wanted = Wanted(answering, columns, batch_rows)
    stream = _scored_stream(_reader_of(batches), wanted, threads or cores())
    schema = next(stream)
    assert isinstance(schema, pa.Schema)  # noqa: S101 - what the generator gives first
    return pa.RecordBatchReader.from_batches(schema, stream)


def check_counts(threads: int | None, batch_rows: int) -> None:
    """Refuse a number of threads or rows that is none."""
    for name, count in (("threads", threads), ("batch_rows", batch_rows)):
        if count is not None and count < 1:
            message = f"{name}={count}: give 1 or more."
            raise ScoringError(message)


def schema_of(source: Source, answering: Answering) -> pa.Schema:
    """Give the schema of the answers."""
    empty = pa.RecordBatch.from_arrays(
        [pa.array([], field.type) for field in source.schema], schema=source.schema
    )
    return answering.answer(source.picked.rows_of(empty)).schema


def answers_of(source: Source, answering: Answering, threads: int) -> Generator[pa.RecordBatch]:
    """Score a source on several threads, in its order."""

    def work(part: Part) -> list[pa.RecordBatch]:
        return [answering.answer(source.picked.rows_of(batch)) for batch in part()]

    yield from in_order(source.parts, work, threads)


def _scored_stream(
    batches: pa.RecordBatchReader, wanted: Wanted, threads: int
) -> Generator[pa.Schema | pa.RecordBatch]:
    """Give the schema, then the batches: what is open stays so until the last is drawn."""
    with open_batches(batches, wanted) as source:
        yield schema_of(source, wanted.answering)
        yield from answers_of(source, wanted.answering, threads)


def _reader_of(batches: object) -> pa.RecordBatchReader:
    if isinstance(batches, pa.RecordBatchReader):
        return batches
    if isinstance(batches, ArrowStream):
        return pa.RecordBatchReader.from_stream(batches)
    if not isinstance(batches, Iterable):
        message = f"{type(batches).__name__} gives no batches: {_WHAT_GIVES_BATCHES}."
        raise ScoringError(message)
    drawn = _checked(batches)
    first = next(drawn, None)
    if first is None:
        message = "There is no batch, and so no schema: give a pyarrow.RecordBatchReader."
        raise ScoringError(message)
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], drawn))


def _checked(batches: Iterable[object]) -> Generator[pa.RecordBatch]:
    """Give batches of one schema."""
    schema: pa.Schema | None = None
    for index, given in enumerate(batches):
        if not isinstance(given, pa.RecordBatch):
            message = f"Batch {index} is a {type(given).__name__}: {_WHAT_GIVES_BATCHES}."
            raise ScoringError(message)
        batch: pa.RecordBatch = given
        if schema is None:
            schema = batch.schema
        if not batch.schema.equals(schema):
            changed = {*_columns(schema)} ^ {*_columns(batch.schema)}
            message = (
                f"Batch {index} has other columns than the first: "
                f"{', '.join(sorted(changed)) or 'in another order'}. Cast it, or select from it."
            )
            raise ScoringError(message)
        yield batch


def _columns(schema: pa.Schema) -> Iterator[str]:
    return (f"{field.name} {field.type}" for field in schema)
