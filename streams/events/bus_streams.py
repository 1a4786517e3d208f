"""Streams of a bus that is ours: made as workers need them, and never changed."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import StreamError
from .nats_client import ANSWERING, connect_nats, disconnect, request_api

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nats.aio.client import Client

__all__ = ["Kept", "Wanted", "make_streams"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SUBJECT = re.compile(r"[!-~]{1,256}")
_NO_STREAM = 10059
_SETTINGS = {
    "storage": "file",
    # Events stay though they are read: workers go by positions and acknowledge nothing.
    "retention": "limits",
    # A full stream refuses what is published. It loses nothing that waits to be scored.
    "discard": "new",
    # By these a subject as a sink gets each prediction once.
    "allow_atomic": True,
    # For two minutes a message with the same Nats-Msg-Id is taken once.
    "duplicate_window": 120_000_000_000,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stream that there should be, by its name and the subjects that it takes."""

    name: str
    subjects: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what is no name, before it is a part of the protocol.

        Raises
        ------
        StreamError
            If the name or a subject has other characters, or there is no subject.
        """
        if not _NAME.fullmatch(self.name):
            message = f"--stream {self.name!r} is no name: write letters, digits, - and _ alone."
            raise StreamError(message)
        for subject in self.subjects or ("",):
            if not _SUBJECT.fullmatch(subject):
                message = (
                    f"--subjects of {self.name}: {subject!r} is no subject. Write 'sensors.>', or "
                    "several with commas between."
                )
                raise StreamError(message)


@dataclass(frozen=True, slots=True)
class Kept:
    """A stream that is there: its messages, and whether it was made just now."""

    name: str
    subjects: tuple[str, ...]
    messages: int
    is_new: bool


def make_streams(url: str, streams: Sequence[Wanted]) -> list[Kept]:
    """Make the streams that are not there, and hold the others against what is wanted.

    Limits by age, size and number are not compared: those of a stream that is there stay.

    Raises
    ------
    StreamError
        If a stream that is there differs, or the server refuses one.
    """
    return asyncio.run(_make_all(url, streams)) if streams else []


async def _make_all(url: str, streams: Sequence[Wanted]) -> list[Kept]:
    from nats import errors

    client = await connect_nats(url, "foresql-bus")
    try:
        return [await _make(client, each) for each in streams]
    except errors.Error as error:
        message = f"The bus does not answer: {error or type(error).__name__}"
        raise StreamError(message) from error
    finally:
        await disconnect(client)


async def _make(client: Client, wanted: Wanted) -> Kept:
    asked = await client.request(f"$JS.API.STREAM.INFO.{wanted.name}", b"", timeout=ANSWERING)
    is_new = json.loads(asked.data).get("error", {}).get("err_code") == _NO_STREAM
    action = "CREATE" if is_new else "INFO"
    settings = {**_SETTINGS, "name": wanted.name, "subjects": list(wanted.subjects)}
    found = await request_api(client, f"STREAM.{action}.{wanted.name}", settings if is_new else {})
    _check_same(wanted, settings, found["config"])
    return Kept(wanted.name, wanted.subjects, int(found["state"]["messages"]), is_new)


def _check_same(wanted: Wanted, settings: dict[str, Any], found: dict[str, Any]) -> None:
    told = [
        f"{key} is {json.dumps(found.get(key))}, wanted is {json.dumps(value)}"
        for key, value in settings.items()
        if _comparable(found.get(key)) != _comparable(value)
    ]
    if told:
        message = (
            f"The stream {wanted.name} is there and differs: {'; '.join(told)}. It is left as it "
            "is.\n  What to do: run without --stream and use it so, change it by a client of NATS, "
            "or take another name."
        )
        raise StreamError(message)


def _comparable(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list) else value
