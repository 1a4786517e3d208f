"""Windows over a stream of Spark: what each micro-batch looks back at, and answers that are final.

A row is answered once, when the watermark passes it: the greatest time so far, less the lateness.
By then all rows that its windows have are there. What later rows look back at is kept in Parquet
files, in two slots in turn: a batch reads the slot of the one before it and writes its own, so a
batch that was interrupted is computed anew from what it was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StreamError
from ..registry import default_path
from .following import BATCH
from .frames import quoted
from .windows import READY, Windows, run_windows, windowed_table, windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

_PROGRESS = "batch BIGINT, watermark TIMESTAMP_NTZ"


def window_batches(  # noqa: PLR0913 - keyword options of one call
    query: str,
    folder: str,
    *,
    key: Sequence[str],
    time: str,
    lateness: timedelta,
    registry: str | Path | None = None,
) -> Callable[[Any, int], None]:
    """Score a stream by a query with windows: what ``foreachBatch`` takes.

    Each row is answered once, when the stream's greatest time, less the lateness, has passed it,
    with the model that the query means by then. All answers together are those of the same query
    over a table of all rows, whatever order these came in.

    Parameters
    ----------
    query
        As for :func:`run_query`. It names the stream as it likes.
    folder
        Where files go, as Spark names folders: answers to ``predictions``, with the batch as
        ``foresql_batch``; rows that came too late, or without a time, to ``late``; and ``state``,
        what later rows look back at. One stream's own, like its checkpoint.
    key, time
        The columns of the windows' PARTITION BY, and the one of their ORDER BY.
    lateness
        How much later than one of a later time a row may come.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.

    Raises
    ------
    UnsupportedModelError
        If the query has no windows.

    Examples
    --------
    >>> windows = {"key": ["sensor_id"], "time": "measured_at", "lateness": timedelta(minutes=1)}
    >>> scoring = foresql.spark.window_batches(query, "/lake/wear", **windows)  # doctest: +SKIP
    >>> stream.writeStream.foreachBatch(scoring).option("checkpointLocation", "/lake/checkpoint")
    """
    table = windowed_table(query)
    if table is None:
        message = "The query has no windows. Use run_query(spark, query) over the stream's view."
        raise StreamError(message)
    batches = _Batches(
        folder=folder.rstrip("/"),
        windows=windows_of(query, table[-1], key, time),
        lateness=lateness,
        registry=Path(registry or default_path()).absolute(),
    )
    return batches.write


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batches:
    """What micro-batches become."""

    folder: str
    windows: Windows
    lateness: timedelta
    registry: Path

    def write(self, frame: Any, batch: int) -> None:
        """Answer the rows that a batch lets the watermark pass, and keep what is looked back at."""
        before = self._watermark_before(frame.sparkSession, batch)
        frame = frame.persist()
        try:
            self._write(frame, batch, before)
        finally:
            frame.unpersist()

    def _write(self, frame: Any, batch: int, before: datetime | None) -> None:
        session, time = frame.sparkSession, quoted(self.windows.time)
        too_late = "FALSE" if before is None else f"{time} < {_literal(before)}"
        late = f"({time} IS NULL OR {too_late})"
        seen = frame.selectExpr(f"max({time}) AS greatest", f"count_if({late}) AS late").toArrow()
        [found] = seen.to_pylist()
        if found["late"]:
            _put(frame.where(late), self._of_batch("late", batch))
        rows = frame.where(f"NOT {late}")
        if batch:
            kept = session.read.schema(frame.schema).parquet(self._slot("rows", batch - 1))
            rows = kept.unionByName(rows)
        watermark = before
        if found["greatest"] is not None:
            given = found["greatest"] - self.lateness
            watermark = given if before is None else max(before, given)
        if watermark is not None:
            rows = self._answer(rows, batch, before, watermark)
        _put(rows, self._slot("rows", batch))
        at = "NULL" if watermark is None else _literal(watermark)
        done = f"SELECT {int(batch)}L AS batch, CAST({at} AS TIMESTAMP_NTZ) AS watermark"
        _put(session.sql(done), self._slot("progress", batch))

    def _answer(self, rows: Any, batch: int, before: datetime | None, watermark: datetime) -> Any:
        """Answer what the watermark passes, and give the rows that later ones look back at."""
        time = quoted(self.windows.time)
        ready = "TRUE" if before is None else f"{time} >= {_literal(before)}"
        passed = rows.where(f"{time} < {_literal(watermark)}").selectExpr(
            "*", f"{ready} AS {READY}"
        )
        answers, lookback = run_windows(passed, self.windows, self.registry, ready=True)
        _put(answers, self._of_batch("predictions", batch))
        return rows.where(f"{time} >= {_literal(watermark - lookback)}")

    def _watermark_before(self, session: Any, batch: int) -> datetime | None:
        """Read the watermark behind the batch before.

        Raises
        ------
        StreamError
            If the folder's state is not of that batch.
        """
        place = self._slot("progress", batch - 1)
        try:
            read = session.read.schema(_PROGRESS).parquet(place).toArrow().to_pylist()
        except Exception as error:
            if "PATH_NOT_FOUND" not in str(error):
                raise
            read = []
        found = read[0]["batch"] if read else -1
        if (batch and found != batch - 1) or (not batch and read):
            message = (
                f"The stream is at batch {batch}, and the state in {self.folder} is that of batch "
                f"{found}: it belongs to another checkpoint. Give each stream a folder of its own, "
                "and keep folder and checkpoint together."
            )
            raise StreamError(message)
        return read[0]["watermark"] if read else None

    def _slot(self, what: str, batch: int) -> str:
        return f"{self.folder}/state/{what}{batch % 2}"

    def _of_batch(self, what: str, batch: int) -> str:
        return f"{self.folder}/{what}/{BATCH}={batch}"


def _put(frame: Any, place: str) -> None:
    """Write files in the place of those that an interrupted attempt left."""
    frame.write.mode("overwrite").parquet(place)


def _literal(time: datetime) -> str:
    return f"TIMESTAMP_NTZ '{time.isoformat(sep=' ')}'"
