"""Micro-batches through the scoring query, each by the versions that its aliases mean then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StreamError
from ..registry import default_path
from .queries import score_rows
from .windows import windowed_table

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = "foresql_models"
"""The column that says by which versions a row was scored: ``delay:3``."""


def query_batches(
    query: str,
    write: Callable[[Any, int], None],
    *,
    registry: str | Path | None = None,
) -> Callable[[Any, int], None]:
    """Score a stream by a query whose models may be promoted while it runs.

    What ``foreachBatch`` takes, over the stream itself. ``run_query`` over a stream keeps the
    versions of its call; here each batch finds them anew. A batch has one version of each model,
    which its rows name in ``foresql_models``.

    Parameters
    ----------
    query
        One SELECT in DuckDB's SQL over one table, row by row; a batch of the stream is that table,
        whatever its name is.
    write
        Takes the predictions of a batch, and its number: that of ``duckdb_batches`` or
        ``postgres_batches``, or another one that takes a batch again for the same one. A batch that
        comes again may be scored by a later version, as a whole.
    registry
        The registry's folder, of the driver; by default ``FORESQL_REGISTRY`` or
        ``./foresql_registry``.

    Raises
    ------
    StreamError
        If the query has windows.

    Examples
    --------
    >>> write = foresql.spark.duckdb_batches(  # doctest: +SKIP
    ...     "scores.duckdb", "predictions", stream="arrivals"
    ... )
    >>> scoring = foresql.spark.query_batches(query, write)  # doctest: +SKIP
    >>> stream.writeStream.foreachBatch(scoring).option("checkpointLocation", "/lake/checkpoint")
    """
    if windowed_table(query) is not None:
        message = "The query has windows. Use foresql.spark.window_batches, which follows aliases."
        raise StreamError(message)
    return _Scored(query, write, Path(registry or default_path()).absolute()).write


@dataclass(frozen=True, slots=True)
class _Scored:
    """A query, where its models are, and where predictions go."""

    query: str
    write_batch: Callable[[Any, int], None]
    registry: Path

    def write(self, frame: Any, batch: int) -> None:
        """Score a batch by the versions of now, and hand it on."""
        from pyspark.sql.functions import lit

        scored, pinned = score_rows(frame, self.query, self.registry)
        if MODELS in scored.columns:
            message = f"The query gives a column {MODELS}, which is added. Name yours otherwise."
            raise StreamError(message)
        self.write_batch(scored.withColumn(MODELS, lit(",".join(pinned.references))), batch)
