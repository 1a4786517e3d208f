"""From a definition to the parts of a worker, checked to fit, and nothing connected yet."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ...errors import UnsupportedModelError
from .alerts import open_alerts
from .batches import place_fields
from .formats import open_format
from .records import Shape
from .scoring import Scoring
from .sinks import open_sink
from .sources import open_source
from .stages import Query
from .windows import open_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .definition import Definition
    from .formats import Format
    from .records import Sink, Source
    from .stages import Alerts, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a worker is made of."""

    definition: Definition
    run_id: str
    source: Source
    format: Format
    windows: Windows | None
    scoring: Scoring
    alerts: Alerts | None
    sink: Sink
    shape: Shape


def assemble(
    definition: Definition,
    registry: str | Path | None = None,
    *,
    pause: Callable[[float], object] = time.sleep,
    told: Callable[[str], None] = lambda _: None,
    same_stream: bool = False,
) -> Parts:
    """Make all parts of a worker, and see that they fit.

    Parameters
    ----------
    definition
        The worker's.
    registry
        Where the models are.
    pause
        Waits for some seconds; what it gives ends the waiting if it is true.
    told
        Takes what a reader of a log would miss otherwise.
    same_stream
        Take a stream of the bus that was made anew for the one before.

    Raises
    ------
    ForesqlError
        If a part cannot be had, or the query is refused.
    """
    run_id = uuid.uuid4().hex
    source = open_source(definition, same_stream=same_stream)
    format_ = open_format(definition.events, definition.folder)
    columns = pa.schema([*format_.schema, *place_fields(source.offset_type)])
    windows = open_windows(definition, format_.schema, source.offset_type)
    query = Query(definition.query, definition.events.table, columns)
    asked = query if windows is None else windows.query
    scoring = Scoring(asked, registry, run_id, told, definition.sink.scheme)
    alerts = open_alerts(definition, scoring.schema, source.offset_type, told)
    sink = open_sink(definition.sink, definition.folder, pause=pause, told=told)
    return Parts(
        definition=definition,
        run_id=run_id,
        source=source,
        format=format_,
        windows=windows,
        scoring=scoring,
        alerts=alerts,
        sink=sink,
        shape=Shape(
            source=source.name,
            worker=run_id,
            offset_type=source.offset_type,
            predictions=scoring.schema,
            key=_key(definition.events.id, scoring),
            tables={
                name: schema
                for stage in (windows, alerts)
                if stage
                for name, schema in stage.tables.items()
            },
            claims=tuple(name for stage in (windows, alerts) if stage for name in stage.claims),
        ),
    )


def _key(columns: Sequence[str], scoring: Scoring) -> tuple[str, ...]:
    """Find the predictions' columns by which an event is known again."""
    return tuple(_output(name, scoring) for name in columns)


def _output(column: str, scoring: Scoring) -> str:
    for output, plain in scoring.query.plain.items():
        if plain.casefold() == column.casefold():
            return output
    raise UnsupportedModelError(
        f"[events] id {column}",
        "the query does not give it, so the sink cannot know an event again.",
        f"SELECT {column} too.",
    )
