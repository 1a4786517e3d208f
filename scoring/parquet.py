"""Read Parquet in parts, which several threads read at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

PART_BYTES = 64 * 2**20
"""The output columns of a part, at most: it waits in memory for its turn."""

_READ_BYTES = 2**20


def parquet_parts(
    files: Sequence[Path],
    metadata: Sequence[pq.FileMetaData],
    columns: Sequence[str],
    carried: Sequence[str],
    batch_rows: int,
) -> Iterator[Callable[[], Iterator[pa.RecordBatch]]]:
    """List the parts of files in their order.

    A part is a row group, or several small ones. Where a file's row groups are large, Arrow decodes
    the columns of one batch in parallel instead, and each batch is a part.
    """
    for path, about in zip(files, metadata, strict=True):
        largest = max((_bytes_of(about, group, carried) for group in _groups(about)), default=0)
        if largest > PART_BYTES or about.num_row_groups == 1:
            whole = _batches(path, about, columns, batch_rows, [*_groups(about)], use_threads=True)
            yield from (partial(iter, [batch]) for batch in whole)
            continue
        for run in _runs(about, batch_rows):
            yield partial(_batches, path, about, columns, batch_rows, run)


def _groups(metadata: pq.FileMetaData) -> range:
    return range(metadata.num_row_groups)


def _batches(  # noqa: PLR0913 - what is read of a file
    path: Path,
    metadata: pq.FileMetaData,
    columns: Sequence[str],
    batch_rows: int,
    groups: Sequence[int],
    *,
    use_threads: bool = False,
) -> Iterator[pa.RecordBatch]:
    # Without a buffer all of a row group's bytes would be in memory at once.
    with pq.ParquetFile(path, metadata=metadata, buffer_size=_READ_BYTES) as file:
        yield from file.iter_batches(
            batch_rows, row_groups=[*groups], columns=[*columns], use_threads=use_threads
        )


def _bytes_of(metadata: pq.FileMetaData, group: int, carried: Sequence[str]) -> int:
    """Say how large a row group's output is in memory, about."""
    row_group = metadata.row_group(group)
    names = set(carried)
    chunks = (row_group.column(index) for index in range(row_group.num_columns))
    kept = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in names)
    return kept + 32 * row_group.num_rows


def _runs(metadata: pq.FileMetaData, batch_rows: int) -> Iterator[list[int]]:
    """Put row groups that follow each other together, up to a batch's rows."""
    run: list[int] = []
    rows = 0
    for group in _groups(metadata):
        count = metadata.row_group(group).num_rows
        if run and rows + count > batch_rows:
            yield run
            run, rows = [], 0
        run.append(group)
        rows += count
    if run:
        yield run
