"""From the bytes of events to rows: JSON, Avro and Protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import StreamError
from .avro import AvroDecoder
from .framing import FramedDecoder
from .json import JsonDecoder
from .protobuf import ProtobufDecoder
from .reading import Decoded, Decoder, Format

if TYPE_CHECKING:
    from pathlib import Path

    from ..definition import EventsSection

__all__ = ["Decoded", "Format", "open_format"]


def open_format(events: EventsSection, folder: Path) -> Format:
    """Make what reads a definition's events.

    Parameters
    ----------
    events
        The section of the definition.
    folder
        What its paths begin at.

    Raises
    ------
    StreamError
        If a schema cannot be read, a column cannot be had from it, or a library is not installed.
    """
    if events.framing is None:
        if events.writers:
            message = '[events] writers: needs framing = "confluent", which says who wrote what.'
            raise StreamError(message)
        return Format(events, _decoder_of(events, folder))
    if events.format == "json":  # its fields have names, whatever schema they were checked by
        return Format(events, FramedDecoder({None: _decoder_of(events, folder)}))
    if not events.writers:
        message = (
            "[events] framing: schemas are known by numbers, and a payload means nothing without "
            'its own. Say them: writers = { 7 = "reading.avsc" }.'
        )
        raise StreamError(message)
    decoders: dict[int | None, Decoder] = {
        _number(each): _decoder_of(events, folder, schema)
        for each, schema in events.writers.items()
    }
    first = next(iter(decoders.values()))
    prefixes = first.prefixes if isinstance(first, ProtobufDecoder) else (b"",)
    return Format(events, FramedDecoder(decoders, prefixes))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        message = f"[events] writers: {text!r} is no number of a schema."
        raise StreamError(message)
    return int(text)


def _decoder_of(events: EventsSection, folder: Path, written: str | None = None) -> Decoder:
    """Make the decoder of payloads that a schema wrote; without one, by the definition's own."""
    refuse_unknown = events.unknown == "refuse"
    schema = folder / (events.schema or "")
    match events.format:
        case "avro":
            writer = None if written is None else folder / written
            return AvroDecoder(schema, events.columns, written=writer)
        case "protobuf":
            own = schema if written is None else folder / written
            return ProtobufDecoder(
                own, events.message, events.columns, refuse_unknown=refuse_unknown
            )
        case _:
            return JsonDecoder(
                events.columns,
                refuse_unknown=refuse_unknown,
                may_miss=events.missing == "null",
            )
