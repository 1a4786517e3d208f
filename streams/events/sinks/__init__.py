"""Where predictions go: DuckDB, Postgres, a folder of Parquet, or another topic."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ....errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..definition import SinkSection
    from ..records import Sink

SCHEMES = (
    "duckdb:scores.duckdb",
    "postgresql://user@host/database",
    "parquet:folder",
    "nats://host/subject",
    "kafka://host:9092/topic",
)


def open_sink(
    section: SinkSection,
    folder: Path,
    *,
    pause: Callable[[float], object] = time.sleep,
    told: Callable[[str], None] = lambda _: None,
) -> Sink:
    """Choose the sink that a definition names; nothing is connected before ``Sink.open``.

    Parameters
    ----------
    section
        The address and the table.
    folder
        What relative paths begin at.
    pause
        Waits for some seconds while others have the sink; what it gives ends the waiting if it is
        true, as that of ``Event.wait``.
    told
        Takes what a reader of a log would miss otherwise: that the sink is waited for.

    Raises
    ------
    StreamError
        If there is no sink of that kind.
    """
    rest = section.to.partition(":")[2]
    match section.scheme:
        case "duckdb" if rest:
            from .duckdb import DuckDBSink
            from .turns import SharedFile

            file = SharedFile(folder / rest, hold=section.hold, pause=pause, told=told)
            return DuckDBSink(file, section.table)
        case "postgresql" | "postgres":
            from .postgres import PostgresSink
            from .postgres_session import Server

            return PostgresSink(Server(section.to, pause=pause, told=told), section.table)
        case "parquet" if rest:
            from .parquet import ParquetSink

            return ParquetSink(folder / rest, section.table)
        case "nats" if rest:
            from .topic import TopicSink

            return TopicSink(section.to, pause=pause, told=told)
        case "kafka" if rest:
            from .kafka_topic import KafkaTopicSink

            return KafkaTopicSink(section.to, pause=pause, told=told)
        case _:
            message = f"[sink] to = {section.to!r} is no sink. Write one of: {', '.join(SCHEMES)}."
            raise StreamError(message)
