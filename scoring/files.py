"""Score a file into a file, in constant memory."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ..errors import ScoringError, SignatureError
from ..kernels import Scorer
from ..udfs.duckdb import register_scorer
from ..udfs.duckdb.functions import predictions, probabilities, probability_problem
from ..udfs.duckdb.macros import Place, argument_of, features_struct, quote
from .models import open_model

if TYPE_CHECKING:
    from ..ir import Model

BATCH_ROWS = 65_536
_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_CHECKS = Place("predict", is_temporary=True)
_FEATURES = "__foresql_features"
Progress = Callable[[int, int | None], None]
"""Called with the rows that are done, and the rows in all where that is known."""


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
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ScoredFile:
    """Write a file's rows with their predictions to another file.

    Parquet, CSV and Arrow IPC are told apart by their endings. The output has the input's columns
    and ``prediction``, ``probability`` (of a classifier), ``model_name``, ``model_version`` and
    ``scored_at``. It appears under its name only when it is whole.

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
    _check_paths(source, output, overwrite=overwrite)
    opened = open_model(reference, registry)
    scorer = Scorer(opened.bundle.model)
    stamp = {
        "model_name": pa.scalar(opened.name),
        "model_version": pa.scalar(opened.version, pa.int64()),
        "scored_at": pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")),
    }
    rows = 0
    with (
        duckdb.connect() as connection,
        _opened(connection, source, scorer.model) as (relation, total),
    ):
        _check_columns(relation.columns, scorer.model, stamp)
        register_scorer(connection, scorer, _CHECKS.name, temporary=True)
        reader = _read(relation, scorer.model, source)
        schema = _with_answers(reader.schema.empty_table(), scorer, stamp).schema
        with _written_whole(output) as partial, _open_writer(partial, schema) as writer:
            for batch in _batches(reader, source):
                writer.write(_with_answers(batch, scorer, stamp))
                rows += len(batch)
                if progress:
                    progress(rows, total)
    seconds = time.perf_counter() - started
    return ScoredFile(rows, seconds, output, opened.name, opened.version)


def _check_paths(source: Path, output: Path, *, overwrite: bool) -> None:
    for path in (source, output):
        _format(path)
    if not source.exists():
        message = f"There is no file {source}."
        raise ScoringError(message)
    if not output.parent.is_dir():
        message = f"There is no folder {output.parent}."
        raise ScoringError(message)
    if output.exists() and (not overwrite or output.samefile(source)):
        message = f"{output} exists. Give another name, or overwrite=True (--overwrite)."
        raise ScoringError(message)


def _format(path: Path) -> str:
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        message = f"{path} has an unknown ending; use one of {', '.join(_FORMATS)}."
        raise ScoringError(message)
    return found


@contextmanager
def _opened(
    connection: duckdb.DuckDBPyConnection, source: Path, model: Model
) -> Generator[tuple[duckdb.DuckDBPyRelation, int | None]]:
    """Open a file as a relation, with its row count where the file says it."""
    total: int | None = None
    try:
        match _format(source):
            case "parquet":
                relation = connection.read_parquet(_without_wildcards(source))
                total = pq.read_metadata(source).num_rows
            case "csv":
                relation = _read_csv(connection, source, model)
            case _:
                from pyarrow.dataset import dataset  # it imports pandas where that is installed

                rows = dataset(source, format="ipc")
                relation, total = connection.from_arrow(rows), rows.count_rows()
    except (duckdb.Error, pa.ArrowInvalid) as error:
        raise _unreadable(source, error) from error
    yield relation, total


def _read_csv(
    connection: duckdb.DuckDBPyConnection, source: Path, model: Model
) -> duckdb.DuckDBPyRelation:
    """Read a CSV file in the model's types where the file's own text does not tell them.

    Codes of digits are text to some models, flags may be written 0 and 1, and a column without any
    value may be of any type.
    """
    path = _without_wildcards(source)
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


def _without_wildcards(path: Path) -> str:
    """Write a path so that DuckDB reads this file, and not those that its name would match."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def _check_columns(columns: list[str], model: Model, stamp: Mapping[str, Any]) -> None:
    """Refuse an input that lacks a column, or has one that scoring adds."""
    there = {name.casefold() for name in columns}
    lacking = [name for name in model.signature.names if name.casefold() not in there]
    if lacking:
        message = f"The input lacks columns that the model reads: {lacking[:10]}."
        raise SignatureError(message)
    added = {"prediction", *stamp} | (set() if probability_problem(model) else {"probability"})
    clash = sorted(added & there)
    if clash:
        message = f"The input already has columns {clash}, which scoring adds; rename them first."
        raise SignatureError(message)


def _read(relation: duckdb.DuckDBPyRelation, model: Model, source: Path) -> pa.RecordBatchReader:
    """Stream the rows, with the model's columns beside them in one struct of its own types."""
    struct = features_struct(_CHECKS, model, "source_row.")
    try:
        return (
            relation.set_alias("source_row")
            .project(f"*, {struct} AS {quote(_FEATURES)}")
            .to_arrow_reader(BATCH_ROWS)
        )
    except duckdb.BinderException as error:
        raise SignatureError(str(error)) from error
    except duckdb.Error as error:
        raise _unreadable(source, error) from error


def _batches(reader: pa.RecordBatchReader, source: Path) -> Iterator[pa.RecordBatch]:
    """Give the batches; Arrow passes an error of DuckDB on as one of input and output."""
    try:
        yield from reader
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: Exception) -> ScoringError:
    return ScoringError(f"{source} cannot be read: {error}")


def _with_answers(
    batch: pa.RecordBatch | pa.Table, scorer: Scorer, stamp: Mapping[str, pa.Scalar]
) -> pa.Table:
    features = batch.column(_FEATURES)
    if isinstance(features, pa.ChunkedArray):
        features = features.combine_chunks()
    scores = scorer.score(features)
    columns = {name: batch.column(name) for name in batch.schema.names if name != _FEATURES}
    columns["prediction"] = predictions(scorer.model, scores)
    if probability_problem(scorer.model) is None:
        columns["probability"] = probabilities(scorer.model, scores)
    columns |= {name: pa.repeat(value, len(batch)) for name, value in stamp.items()}
    return pa.table(columns)


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
        match _format(path):
            case "parquet":
                return pq.ParquetWriter(path, schema, compression="zstd")
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
