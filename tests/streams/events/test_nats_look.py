"""Looks at a stream while messages come: the server's answer may be older than they are."""

import asyncio
import threading

from foresql.streams.events.sources import nats_reader
from foresql.streams.events.sources.nats_reader import Plan, SubjectReader
from foresql.streams.events.sources.nats_stream import StreamState


def test_messages_that_come_while_the_server_answers_are_no_other_stream(monkeypatch):
    plan = Plan(stream="SENSORS", worker="w", whole=True, at_end=False, room=100)
    reader = SubjectReader(plan, "SENSORS", (10, None), threading.Event())

    async def answered_late(_client, name):
        state = StreamState(name=name, created="then", first=1, last=10, replicas=1, subjects=())
        reader.next = 15
        return state

    async def consumer(*_):
        return {"num_pending": 0, "num_waiting": 1}

    monkeypatch.setattr(nats_reader, "stream_state", answered_late)
    monkeypatch.setattr(nats_reader, "request_api", consumer)
    reader._is_silent = True
    asyncio.run(reader._look(None))
    assert reader.lag == 0
