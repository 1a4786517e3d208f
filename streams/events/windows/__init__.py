"""Features over windows of event time: read from the scoring query, each event's scored once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ....scoring.query import connect_quietly
from ..dead import TIMESTAMP, offset_arrow_type
from ..definition import OFFSET, PARTITION, PUBLISHED
from .query import read_window_query
from .taking import EventWindows

if TYPE_CHECKING:
    from ..definition import Definition

__all__ = ["EventWindows", "open_windows"]


def open_windows(
    definition: Definition, events: pa.Schema, offset_type: str
) -> EventWindows | None:
    """Read the windows of a definition's query, and plan them; None where it has no ``[window]``.

    Parameters
    ----------
    definition
        The worker's.
    events
        The columns of its events; where they stand is added.
    offset_type
        ``Source.offset_type``.

    Raises
    ------
    UnsupportedModelError
        If a window may give other bits than the batch does, with the way out.
    """
    if definition.window is None:
        return None
    whole = pa.schema(
        [
            *(
                pa.field(name, type_)
                for name, type_ in zip(events.names, events.types, strict=True)
            ),
            pa.field(PARTITION, pa.string()),
            pa.field(OFFSET, offset_arrow_type(offset_type)),
            pa.field(PUBLISHED, TIMESTAMP),
        ]
    )
    connection = connect_quietly(":memory:")
    try:
        query = read_window_query(connection, definition, whole)
    finally:
        connection.close()
    return EventWindows(definition, query, whole, offset_type)
