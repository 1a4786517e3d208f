"""Score a file into a file, in constant memory."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ..errors import ScoringError
from ..kernels import Scorer
from .answers import Answering
from .models import OpenModel, open_model
from .paths import files_of, format_of
from .pipeline import cores
from .sources import Wanted, open_files
from .streams import BATCH_ROWS, answers_of, check_counts, schema_of

Progress = Callable[[int, int | None], None]
"""Called with the rows that are done, and the rows in all where that is known."""

_STAMPS = 3


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """What scoring a file did."""

    rows: int
    seconds: float
    output: Path
    model: str
    version: int | None


def score_file(  # noqa: PLR0913 - keyword options of one call
    reference: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    registry: str | Path | None = None,
    columns: Sequence[str] | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    batch_rows: int = BATCH_ROWS,
    progress: Progress | None = None,
) -> ScoredFile:
    """Write a file's rows with their predictions to another file.

    Parquet, CSV and Arrow IPC are told apart by their endings. The output has the input's columns
    and ``prediction``, ``probability`` (of a classifier), ``model_name``, ``model_version`` and
    ``scored_at``. It appears under its name only when it is whole. Rows keep their order.

    Parameters
    ----------
    reference
        A reference into the registry, or the path of a ``.foresql`` file.
    source
        A file, a folder, or a pattern such as ``days/*.parquet``. Several files are Parquet or
        Arrow, have the same columns, and are read in the order of their names.
    output
        The file to write.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    columns
        The input's columns that the output has: all by default. Others are not read, unless the
        model reads them.
    overwrite
        Replace an output that exists.
    threads
        How many threads read and score: one a core by default.
    batch_rows
        The most rows that are scored at a time.
    progress
        Called after each batch that is written.

    Raises
    ------
    SignatureError
        If a column is missing or of the wrong type, or would be written twice.
    ScoringError
        If the output exists, a file cannot be read or written or has an unknown ending, or the
        library would refuse a row.
    """
    started = time.perf_counter()
    source, output = Path(source), Path(output)
    check_counts(threads, batch_rows)
    files = _checked_paths(source, output, overwrite=overwrite)
    opened = open_model(reference, registry)
    answering = Answering(Scorer(opened.bundle.model, opened.bundle.program), _stamp(opened))
    rows = 0
    with open_files(source, files, Wanted(answering, columns, batch_rows)) as found:
        schema = schema_of(found, answering)
        with _written_whole(output) as partial, _open_writer(partial, schema) as writer:
            for batch in answers_of(found, answering, threads or cores()):
                writer.write(batch)
                rows += batch.num_rows
                if progress:
                    progress(rows, found.total)
    seconds = time.perf_counter() - started
    return ScoredFile(rows, seconds, output, opened.name, opened.version)


def _stamp(opened: OpenModel) -> dict[str, pa.Scalar]:
    return {
        "model_name": pa.scalar(opened.name),
        "model_version": pa.scalar(opened.version, pa.int64()),
        "scored_at": pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")),
    }


def _checked_paths(source: Path, output: Path, *, overwrite: bool) -> list[Path]:
    """Give the files to read."""
    files = files_of(source)
    format_of(output)
    if not output.parent.is_dir():
        message = f"There is no folder {output.parent}."
        raise ScoringError(message)
    if output.exists() and any(output.samefile(path) for path in files):
        message = f"{output} exists, and is what would be read. Give another name for the output."
        raise ScoringError(message)
    if output.exists() and not overwrite:
        message = f"{output} exists. Give another name, or overwrite=True (--overwrite)."
        raise ScoringError(message)
    return files


@contextmanager
def _written_whole(output: Path) -> Generator[Path]:
    """Give a temporary path beside the output, and rename it into place when all went well."""
    partial = output.with_name(f".{output.stem}-{secrets.token_hex(4)}{output.suffix}")
    try:
        yield partial
        partial.replace(output)
    except OSError as error:
        message = f"{output} cannot be written: {error}"
        raise ScoringError(message) from error
    finally:
        partial.unlink(missing_ok=True)


def _open_writer(path: Path, schema: pa.Schema) -> AbstractContextManager[Any]:
    try:
        match format_of(path):
            case "parquet":
                options: dict[str, Any] = {"use_dictionary": _repeated(schema)}
                return pq.ParquetWriter(path, schema, compression="lz4", **options)
            case "csv":
                return pyarrow.csv.CSVWriter(path, schema)
            case _:
                return pa.ipc.new_file(path, schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        columns = [field.name for field in schema if str(error).endswith(str(field.type))]
        message = (
            f"A {path.suffix} file cannot hold the columns {columns}: {error}. Choose another "
            "format, or leave them out of the input."
        )
        raise ScoringError(message) from error


def _repeated(schema: pa.Schema) -> list[str]:
    """List the columns whose values are likely to come often: texts, and what scoring stamps.

    A dictionary of numbers that all differ takes ten times as long as writing them.
    """
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    return list(dict.fromkeys([*texts, *schema.names[-_STAMPS:]]))
