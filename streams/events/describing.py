"""What a worker would do, said before it does anything."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

from .assembling import assemble

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from .definition import Definition

EXACTLY_ONCE = "exactly once: scores and offsets are one transaction"
AT_LEAST_ONCE = "at least once: a crash may write a batch twice, under the same keys"


def describe(definition: Definition, registry: str | Path | None = None) -> dict[str, Any]:
    """Resolve all that a definition names, and say what would happen; nothing is connected.

    Raises
    ------
    ForesqlError
        If a part cannot be had, or the query is refused.
    """
    parts = assemble(definition, registry)
    with closing(parts.scoring), closing(parts.windows) if parts.windows else nullcontext():
        return {
            "name": definition.name,
            "source": parts.source.name,
            "bus": definition.source.bus,
            "partitions": list(definition.source.subjects) or None,
            "start": definition.source.start,
            "format": definition.events.format,
            "events": _columns(parts.format.schema),
            "id": list(parts.shape.key),
            "windows": None if parts.windows is None else f"of {parts.windows.lookback}",
            "models": list(parts.scoring.pinned.references),
            "scoring_hash": parts.scoring.pinned.scoring_hash,
            "sink": definition.sink.to,
            "table": definition.sink.table,
            "predictions": _columns(parts.shape.predictions),
            "tables": list(parts.shape.tables),
            "exactly_once": parts.sink.exactly_once,
            "guarantee": EXACTLY_ONCE if parts.sink.exactly_once else AT_LEAST_ONCE,
            "batch": definition.batch.most,
            "metrics": definition.metrics.listen if definition.metrics else None,
        }


def _columns(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}
