"""How many events wait behind the sink's positions, asked of the bus beside the workers.

Nothing is joined, claimed or committed: workers go on as if nobody asked. A partition without a
position is left out where ``start = "latest"``: a worker that takes it decides where it begins.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ..definition import LATEST
from ..nats_client import LoopThread, connect_nats, disconnect, request_api
from ..records import Lag
from .nats_mark import StreamMark
from .nats_stream import stream_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nats.aio.client import Client

    from ..definition import Definition

_FORGOTTEN = 10
"""Seconds after which the server drops a consumer that was to be dropped."""


def ask_lag(definition: Definition, positions: Mapping[str, str]) -> dict[str, Lag]:
    """Ask the bus what waits in each partition behind its position.

    Raises
    ------
    StreamError
        If the bus does not answer, or is not the one that the positions are of.
    """
    match definition.source.scheme:
        case "file":
            from .files import FileSource

            return FileSource(definition).behind(positions)
        case "kafka":
            from .kafka import KafkaSource

            return KafkaSource(definition).behind(positions)
        case "kinesis":
            from .kinesis import KinesisSource

            return KinesisSource(definition).behind(positions)
        case _:
            return _behind_in_nats(definition, positions)


def _behind_in_nats(definition: Definition, positions: Mapping[str, str]) -> dict[str, Lag]:
    thread = LoopThread("foresql-lag")
    try:
        return thread.call(_ask_nats(definition, positions))
    except _errors() as error:
        message = f"JetStream does not answer at {definition.source.bus}: {error!r}"
        raise StreamError(message) from error
    finally:
        thread.close()


async def _ask_nats(definition: Definition, positions: Mapping[str, str]) -> dict[str, Lag]:
    source = definition.source
    name = source.stream or ""
    client = await connect_nats(source.bus, f"foresql-{definition.name}")
    try:
        mark = StreamMark(name, is_same=False)
        mark.found((await stream_state(client, name)).created)
        stored = positions.get(mark.name)
        mark.check(None if stored is None else int(stored))
        found: dict[str, Lag] = {}
        for partition in source.subjects or (name,):
            position = positions.get(partition)
            if position is None and source.start == LATEST:
                continue
            begin = 1 if position is None else int(position) + 1
            subject = partition if source.subjects else None
            found[partition] = Lag(await _count(client, name, subject, begin), None)
    finally:
        await disconnect(client)
    return found


async def _count(client: Client, stream: str, subject: str | None, begin: int) -> int:
    """Count the messages from a number on: as a consumer that would begin there is told."""
    name = f"foresql-lag-{uuid.uuid4().hex[:12]}"
    configuration: dict[str, Any] = {
        "name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": begin,
        "ack_policy": "none",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _FORGOTTEN * 10**9,
    }
    where = f"CONSUMER.CREATE.{stream}.{name}"
    if subject is not None:
        configuration["filter_subject"] = subject
        where = f"{where}.{subject}"
    body = {"stream_name": stream, "config": configuration, "action": "create"}
    waiting = (await request_api(client, where, body))["num_pending"]
    with suppress(StreamError, *_errors()):  # who may not drop it: the server does
        await request_api(client, f"CONSUMER.DELETE.{stream}.{name}", {})
    return waiting


def _errors() -> tuple[type[Exception], ...]:
    """Name the errors of a client, which need not be installed to ask for positions."""
    try:
        from nats import errors
    except ModuleNotFoundError:
        return (TimeoutError,)
    return (errors.Error, TimeoutError)
