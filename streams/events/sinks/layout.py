"""The tables that all sinks have besides predictions, the fence, and how tables are compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ....errors import StreamError
from ..dead import TIMESTAMP
from ..definition import OFFSET, PARTITION
from ..records import MovedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..records import Move, Offset, Outcome, Shape

SCHEMA = "foresql"
POSITIONS, DEAD = "event_positions", "dead_letters"
POSITION_COLUMNS = {
    "source": "VARCHAR",
    "partition": "VARCHAR",
    "last_offset": "VARCHAR",
    "moved_at": "TIMESTAMP",
    "events": "BIGINT",
    "worker": "VARCHAR",
}
"""One row for each partition; ``events`` counts all that were read, predictions or not."""
DEAD_COLUMNS = {
    "source": "VARCHAR",
    PARTITION: "VARCHAR",
    OFFSET: "VARCHAR",
    "published": "TIMESTAMP",
    "step": "VARCHAR",
    "reason": "VARCHAR",
    "payload": "BLOB",
    "at": "TIMESTAMP",
}


class Place(NamedTuple):
    """Where a table stands: the schema is None for the connection's own."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        """Write the name as a definition does."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


def read_place(written: str) -> Place:
    """Read ``table`` or ``schema.table``; the parts are taken as they are written.

    Raises
    ------
    StreamError
        If it is neither.
    """
    match written.split("."):
        case [str(name)] if name:
            return Place(None, name)
        case [str(schema), str(name)] if schema and name:
            return Place(schema, name)
        case _:
            message = f"{written!r} is no name of a table. Write table or schema.table."
            raise StreamError(message)


def key_index(place: Place, key: Sequence[str]) -> str:
    """Name the index by which events are known again; others of the schema have other names."""
    told = hashlib.sha256("\0".join([place.name, *key]).encode()).hexdigest()
    return f"foresql_event_id_{told[:16]}"


def check_moves(source: str, stored: Mapping[str, Offset], moves: Mapping[str, Move]) -> None:
    """Refuse a batch one of whose partitions is not where it was when the batch was read.

    Raises
    ------
    MovedError
        If somebody else moved one.
    """
    moved = [name for name, move in moves.items() if stored.get(name) != move.before]
    if moved:
        raise moved_error(source, moved)


def moved_error(source: str, partitions: Sequence[str]) -> MovedError:
    """Say which partitions somebody else moved."""
    names = ", ".join(sorted(partitions))
    message = (
        f"Another worker of {source} moved the position of {names}. Nothing was written; go on "
        "behind its position."
    )
    return MovedError(message)


def read_offset(text: str, offset_type: str) -> Offset:
    """Read an offset, which is stored as text whatever it is."""
    return int(text) if offset_type == "BIGINT" else text


def moved_rows(shape: Shape, outcome: Outcome, now: datetime) -> list[dict[str, object]]:
    """Make the rows of the positions that a batch moves, by partition; events are the batch's."""
    return [
        {
            "source": shape.source,
            "partition": name,
            "last_offset": str(outcome.moves[name].after),
            "moved_at": now,
            "events": outcome.events.get(name, 0),
            "worker": shape.worker,
        }
        for name in sorted(outcome.moves)
    ]


def dead_rows(source: str, dead: pa.Table, now: datetime) -> pa.Table:
    """Make the rows of dead letters: whose they are, and when they were written, besides."""
    text = dead.column(OFFSET).cast(pa.string())
    dead = dead.set_column(dead.schema.get_field_index(OFFSET), OFFSET, text)
    count = dead.num_rows
    dead = dead.append_column("source", pa.repeat(pa.scalar(source), count))
    dead = dead.append_column("at", pa.repeat(pa.scalar(now, TIMESTAMP), count))
    return dead.select(list(DEAD_COLUMNS))


def check_shape(shape: Shape) -> None:
    """Refuse columns that no sink can keep, before anything is made.

    Raises
    ------
    StreamError
        If a column has no type, two have one name, or the id is no column of the predictions.
    """
    for title, schema in (("the predictions", shape.predictions), *shape.tables.items()):
        names = [name.casefold() for name in schema.names]
        for field in schema:
            if pa.types.is_null(field.type):
                message = (
                    f"The column {field.name} of {title} has no type. Give it one in the query: "
                    f"CAST(NULL AS DOUBLE) AS {field.name}."
                )
                raise StreamError(message)
            if names.count(field.name.casefold()) > 1:
                message = f"The column {field.name} of {title} stands twice. Rename one by AS."
                raise StreamError(message)
    given = {name.casefold() for name in shape.predictions.names}
    lacking = [name for name in shape.key if name.casefold() not in given]
    if lacking:
        message = (
            f"[events] id has {lacking[0]}, which the query does not give, so the sink cannot know "
            "an event again. SELECT it too."
        )
        raise StreamError(message)


def plain(table: pa.Table) -> pa.Table:
    """Give columns their values: a dictionary's entries are not part of a type."""
    schema = plain_schema(table.schema)
    return table if schema.equals(table.schema) else table.cast(schema)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Give the columns as tables keep them."""
    return pa.schema(
        [
            pa.field(field.name, field.type.value_type)
            if pa.types.is_dictionary(field.type)
            else pa.field(field.name, field.type)
            for field in schema
        ]
    )


def describe_difference(there: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Say how a table's columns differ from what is written to it; names are as they compare."""
    said = [
        f"it has no column {name} ({kind})" for name, kind in wanted.items() if name not in there
    ]
    said += [
        f"it has a column {name}, which is not written" for name in there if name not in wanted
    ]
    said += [
        f"its column {name} is {there[name]}, and what is written is {kind}"
        for name, kind in wanted.items()
        if there.get(name, kind) != kind
    ]
    return "; ".join(said) or None


def refuse_difference(title: str, difference: str | None) -> None:
    """Refuse a table that is there and has other columns.

    Raises
    ------
    StreamError
        If there is a difference.
    """
    if difference is not None:
        message = (
            f"There is a table {title} already, and it differs: {difference}.\n"
            "  What to do: name another table in the definition, or drop or alter that one. "
            "Nothing was read or written."
        )
        raise StreamError(message)
