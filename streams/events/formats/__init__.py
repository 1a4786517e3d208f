"""From the bytes of events to rows: JSON, Avro and Protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .json import JsonDecoder
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
    return Format(events, _decoder_of(events, folder))


def _decoder_of(events: EventsSection, folder: Path) -> Decoder:
    return JsonDecoder(events.columns, refuse_unknown=events.unknown == "refuse")
