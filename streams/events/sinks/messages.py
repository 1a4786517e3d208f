"""Predictions and dead letters as messages: JSON, in pieces that each move a position."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, time
from typing import TYPE_CHECKING, Any, NamedTuple

from ....errors import StreamError
from ..dead import SIZE
from ..definition import OFFSET, PARTITION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..records import Move, Offset, Outcome, Shape

_MOST_REASON = 1000
"""Characters of a reason that are left with a dead letter whose payload is not."""


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


def pieces(
    outcome: Outcome, most: int, largest: int, told: Callable[[str], None]
) -> Iterator[Piece]:
    """Cut a batch into pieces of at most so many messages, each partition's in order.

    Parameters
    ----------
    outcome
        The batch.
    most
        How many messages a piece has at most.
    largest
        How many bytes a message has at most.
    told
        Takes which predictions are dead letters, since they are larger.
    """
    messages: dict[str, list[Message]] = {partition: [] for partition in outcome.moves}
    for is_dead, table in ((False, outcome.predictions), (True, outcome.dead)):
        for row in table.to_pylist():
            message = _message(row, largest, told, is_dead=is_dead)
            messages[row[PARTITION]].append(message)
    for partition in sorted(messages):
        mine = sorted(messages[partition], key=lambda each: each.offset)
        move = outcome.moves[partition]
        while len(mine) > most:
            last = mine[most - 1].offset
            yield Piece(partition, move._replace(after=last), mine[:most])
            move = move._replace(before=last)
            mine = mine[most:]
        yield Piece(partition, move, mine)


def _message(
    row: Mapping[str, Any], largest: int, told: Callable[[str], None], *, is_dead: bool
) -> Message:
    payload = json_line(row)
    if not is_dead and len(payload) > largest:
        row, is_dead = letter_of(row, len(payload), told), True
        payload = json_line(row)
    if len(payload) > largest:
        payload = json_line(without_payload(row))
    return Message(row[OFFSET], is_dead, payload)


def letter_of(row: Mapping[str, Any], size: int, told: Callable[[str], None]) -> dict[str, Any]:
    """Make a dead letter of a prediction that is larger than a message, and say so."""
    reason = f"its prediction of {size:,} bytes is more than a message takes"
    told(f"The event {row[PARTITION]} at {row[OFFSET]} is a dead letter: {reason}.")
    where = {PARTITION: row[PARTITION], OFFSET: row[OFFSET], "published": None}
    return {**where, "step": SIZE, "reason": reason, "payload": None}


def without_payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the payload of a dead letter that is larger than a message."""
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
