"""Predictions and dead letters as messages: JSON, in pieces that each move a position."""

from __future__ import annotations

import base64
import json
import math
from contextlib import suppress
from datetime import date, time
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ....errors import StreamError
from ..definition import OFFSET, PARTITION
from .numbers import unfit_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..records import Move, Offset, Outcome, Shape

_MOST_REASON = 1000
"""Characters of a reason that are left with a dead letter whose payload is not."""
_LONGEST, _WIDTH = 6, 64
"""What a byte of text becomes at most, as in ``\\u0000``, and a number or a time."""
_NO_FORM = (ValueError, OverflowError)
"""What times raise that Python has not."""


def check_no_tables(shape: Shape, what: str) -> None:
    """Refuse what messages cannot be.

    Raises
    ------
    StreamError
        If the worker needs tables, or to know events again.
    """
    if shape.tables or shape.key:
        need = "windows and alerts" if shape.tables else "[events] id"
        message = f"A {what} keeps no tables, which {need} need: write to DuckDB or Postgres."
        raise StreamError(message)


class Message(NamedTuple):
    """What is published of one event: on the subject, or on the one for dead letters."""

    offset: Offset
    is_dead: bool
    payload: bytes


class Piece(NamedTuple):
    """Messages of a partition that are published together, and how far they move it."""

    partition: str
    move: Move
    messages: list[Message]


def unfit_rows(rows: pa.Table, most_bytes: int) -> Mapping[int, str]:
    """Say which rows become larger messages than so many bytes, or have no form as text."""
    wide = unfit_numbers(rows)
    if _bound(rows) < most_bytes:
        with suppress(*_NO_FORM):
            rows.to_pylist()
            return wide
    found = ((place, _problem(rows.slice(place, 1), most_bytes)) for place in range(rows.num_rows))
    return wide | {place: problem for place, problem in found if problem is not None}


def _bound(rows: pa.Table) -> int:
    """Give what no row's message is larger than."""
    bound = 0
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        width = column.nbytes
        if pa.types.is_primitive(column.type):
            width = _WIDTH
        elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            width = pc.max(pc.binary_length(column)).as_py() or 0
        bound += _LONGEST * (len(name.encode()) + width) + _WIDTH
    return bound


def _problem(row: pa.Table, most_bytes: int) -> str | None:
    try:
        size = len(json_line(row.to_pylist()[0]))
    except _NO_FORM:
        return "It has a time outside of the years 1 to 9999."
    return (
        f"Its message would have {size} bytes, beyond {most_bytes}." if size > most_bytes else None
    )


def pieces(outcome: Outcome, most: int, most_bytes: int) -> Iterator[Piece]:
    """Cut a batch into pieces of at most so many messages, each partition's in order.

    A dead letter of more than so many bytes goes without its payload.
    """
    messages: dict[str, list[Message]] = {partition: [] for partition in outcome.moves}
    for is_dead, table in ((False, outcome.predictions), (True, outcome.dead)):
        for row in table.to_pylist():
            payload = json_line(row)
            if is_dead and len(payload) > most_bytes:
                payload = json_line(without_payload(row))
            messages[row[PARTITION]].append(Message(row[OFFSET], is_dead, payload))
    for partition in sorted(messages):
        mine = sorted(messages[partition], key=lambda each: each.offset)
        move = outcome.moves[partition]
        while len(mine) > most:
            last = mine[most - 1].offset
            yield Piece(partition, move._replace(after=last), mine[:most])
            move = move._replace(before=last)
            mine = mine[most:]
        yield Piece(partition, move, mine)


def without_payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the payload of a dead letter that is larger than a message; the bus has it."""
    reason = f"{row['reason'][:_MOST_REASON]} (its payload is more than a message takes)"
    return {**row, "payload": None, "reason": reason}


def json_line(row: Mapping[str, object]) -> bytes:
    """Write a row: numbers as they are, and what JSON has no form for as text."""
    plain = {name: _plain(value) for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            found = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case None | bool() | int() | float() | str():
            found = value
        case bytes():
            found = base64.b64encode(value).decode()
        case date() | time():
            found = value.isoformat()
        case list():
            found = [_plain(each) for each in value]
        case dict():
            found = {str(name): _plain(each) for name, each in value.items()}
        case _:
            found = str(value)
    return found
