"""Buses: where a worker's events come from, by the scheme of the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import StreamError

if TYPE_CHECKING:
    from ..definition import Definition
    from ..records import Source

SCHEMES = ("nats", "kafka", "kinesis", "file")


def open_source(definition: Definition, *, same_stream: bool = False) -> Source:
    """Make the source of a definition, not connected yet.

    With ``same_stream`` one that was made anew is taken for the one before; NATS alone tells them
    apart.

    Raises
    ------
    StreamError
        If there is no such bus, or what it needs is not installed.
    """
    match definition.source.scheme:
        case "file":
            from .files import FileSource

            return FileSource(definition)
        case "kafka":
            from .kafka import KafkaSource

            return KafkaSource(definition)
        case "kinesis":
            from .kinesis import KinesisSource

            return KinesisSource(definition)
        case "nats":
            from .nats import NatsSource

            return NatsSource(definition, same_stream=same_stream)
        case scheme:
            known = ", ".join(f"{each}:" for each in SCHEMES)
            message = f"[source] bus begins with {scheme}:, which is no known bus: {known}."
            raise StreamError(message)
