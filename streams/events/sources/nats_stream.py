"""What a NATS stream says of itself, and whether a reader may begin where it wants to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from ....errors import StreamError
from ..nats_client import ANSWERING, request_api

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nats.aio.client import Client

_LIMITS = "limits"
_NO_MESSAGE = 10037


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """A stream: when it was made, and the first and last sequence number that it has."""

    name: str
    created: str
    first: int
    last: int
    replicas: int
    subjects: tuple[str, ...]

    def check_behind(self, after: int | None) -> None:
        """Refuse a stream that ends before what was read of it.

        Raises
        ------
        StreamError
            If it does: its numbers begin anew, and tell nothing about what was scored.
        """
        if after is not None and after > self.last + 1:
            message = (
                f"The stream {self.name} ends at {self.last}, and was read up to {after - 1}: it "
                "was made anew, or restored from an older state. Its numbers would mean other "
                "events than those scored.\n  What to do: give the worker another name in its "
                "definition and another table, or bring the stream back."
            )
            raise StreamError(message)


async def stream_state(client: Client, name: str) -> StreamState:
    """Ask for the state of a stream.

    Raises
    ------
    StreamError
        If there is none of that name, or its messages leave it when they are acknowledged.
    nats.errors.Error
        If JetStream cannot answer now.
    """
    found = await request_api(client, f"STREAM.INFO.{name}", {})
    configuration, state = found["config"], found["state"]
    names = configuration.get("subjects") or ()
    retention = configuration["retention"]
    if retention != _LIMITS:
        message = (
            f"The stream {name} has the retention {retention}, by which acknowledged messages "
            "leave it; workers go by positions and acknowledge nothing.\n  What to do: use the "
            "retention limits, or a stream with that retention that has this one as its source."
        )
        raise StreamError(message)
    return StreamState(
        name=name,
        created=found["created"],
        first=max(state["first_seq"], 1),
        last=state["last_seq"],
        replicas=configuration["num_replicas"],
        subjects=() if "subject_transform" in configuration else tuple(names),
    )


async def has_message(client: Client, name: str, subject: str, begin: int) -> bool:
    """Say whether a stream has a message of a subject, from a sequence number on.

    Raises
    ------
    nats.errors.Error
        If JetStream cannot answer now.
    """
    from nats import errors

    wanted = json.dumps({"seq": begin, "next_by_subj": subject}).encode()
    where = f"$JS.API.STREAM.MSG.GET.{name}"
    problem = json.loads((await client.request(where, wanted, timeout=ANSWERING)).data).get("error")
    if problem is not None and problem.get("err_code") != _NO_MESSAGE:
        raise errors.Error(problem.get("description", ""))
    return problem is None


def check_subjects(state: StreamState, subjects: Sequence[str]) -> None:
    """Refuse a subject that is none of the stream's.

    Raises
    ------
    StreamError
        If there is one. A stream that takes its messages from others names no subjects.
    """
    for subject in subjects:
        if state.subjects and not any(overlap(subject, each) for each in state.subjects):
            message = (
                f"The stream {state.name} has the subjects {', '.join(state.subjects)}, and none "
                f"of its messages can have {subject}, a subject of [source]."
            )
            raise StreamError(message)


def overlap(one: str, other: str) -> bool:
    """Say whether a message can have both subjects; ``*`` is a word, and ``>`` the rest."""
    for left, right in zip_longest(one.split("."), other.split(".")):
        if left is None or right is None:
            return False
        if ">" in {left, right}:
            return True
        if left != right and "*" not in {left, right}:
            return False
    return True
