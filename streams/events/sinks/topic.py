"""Predictions as JSON on a NATS subject, exactly once, by JetStream's atomic batches.

Each batch ends with a message on the position's subject, which is taken only where the last message
there is still the one that was read. JetStream stores a batch whole or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ....errors import StreamError
from ..definition import PARTITION
from ..nats_client import ANSWERING, LoopThread, connect_nats, disconnect, request_api
from .layout import check_moves, check_shape, moved_error
from .messages import check_no_tables, pieces, unfit_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    import pyarrow as pa
    from nats.aio.client import Client

    from ..records import Offset, Outcome, Shape
    from .messages import Piece

_MOST = 900
"""Messages of a piece: JetStream takes batches of up to 1,000."""
_HEADERS = 1024
"""Bytes left for a message's headers, which take far fewer: a limit is for both."""
_WRONG_SEQUENCE = (10071, 10164)
_NO_MESSAGE = 404
_SHORTEST, _LONGEST = 0.1, 2.0
_Result = TypeVar("_Result")


class _Position(NamedTuple):
    """Where a partition is: the number of the message that says so, and what it says."""

    number: int
    offset: Offset | None
    attempt: str | None = None


class TopicSink:
    """A subject of a stream, with ``.dead`` and ``.positions.…`` below it."""

    exactly_once = True

    def __init__(
        self, address: str, *, pause: Callable[[float], object], told: Callable[[str], None]
    ) -> None:
        """Take ``nats://HOST:PORT/SUBJECT``; nothing is connected yet.

        Raises
        ------
        StreamError
            If it names no subject.
        """
        self._bus, _, self._subject = address.rpartition("/")
        if not self._subject or not self._bus.startswith("nats://") or self._bus == "nats:/":
            message = f"[sink] to = {address!r} has no subject: nats://HOST:PORT/SUBJECT."
            raise StreamError(message)
        self._pause, self._told = pause, told
        self._stream = ""
        self._most_bytes = 0
        self._shape: Shape | None = None
        self._known: dict[str, _Position] = {}
        self._client: Client | None = None
        self._thread: LoopThread | None = None

    def open(self, shape: Shape) -> None:
        """Connect, and find a stream of the subject that keeps positions.

        Raises
        ------
        StreamError
            If there is none, or the worker needs tables or to know events again.
        """
        check_shape(shape)
        check_no_tables(shape, "subject")
        self._shape = shape
        self._thread = LoopThread("foresql-topic")
        self._thread.call(self._connected())
        self._stream = self._ask(self._find_stream)

    def positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the last offset that is done of each partition that has one."""
        for partition in partitions:
            self._known[partition] = self._ask(lambda c, p=partition: self._position(c, p))
        found = {each: self._known[each].offset for each in partitions}
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        """Refuse: there are no further tables."""
        del column
        message = f"There is no table {table} for {', '.join(values)} on a subject."
        raise StreamError(message)

    def unfit(self, rows: pa.Table) -> Mapping[int, str]:
        """Find what no message can hold: too much, and times of no year of ISO 8601."""
        return unfit_rows(rows, self._most_bytes)

    def write(self, outcome: Outcome) -> int:
        """Publish a batch, in pieces that are each there whole or not at all.

        Where another worker moved a partition, the pieces before it are there with their positions.
        """
        if self._shape is None:
            message = "The sink is not open."
            raise StreamError(message)
        missing = [each for each in outcome.moves if each not in self._known]
        self.positions(missing)
        stored = {name: known.offset for name, known in self._known.items()}
        there = {name: offset for name, offset in stored.items() if offset is not None}
        try:
            check_moves(self._shape.source, there, outcome.moves)
            for piece in pieces(outcome, _MOST, self._most_bytes):
                attempt = uuid.uuid4().hex
                number = self._ask(
                    lambda client, piece=piece, attempt=attempt: self._publish(
                        client, piece, attempt
                    )
                )
                if not number:
                    raise moved_error(self._shape.source, [piece.partition])
                self._known[piece.partition] = _Position(number, piece.move.after)
        except StreamError:
            self._known.clear()  # it is asked for anew
            raise
        return 0

    def close(self) -> None:
        """Disconnect."""
        if self._thread is not None:
            if self._client is not None:
                self._thread.call(disconnect(self._client))
            self._thread.close()
            self._thread = self._client = None

    def _ask(self, action: Callable[[Client], Coroutine[Any, Any, _Result]]) -> _Result:
        """Do something on a connection, and again when the bus is back."""
        from nats import errors

        async def act() -> _Result:
            return await action(await self._connected())

        wait = _SHORTEST
        while self._thread is not None:
            try:
                return self._thread.call(act())
            except (errors.Error, TimeoutError, ConnectionError) as error:
                if wait == _SHORTEST:
                    self._told(f"The sink {self._bus} does not answer, and is waited for: {error}")
                if self._pause(wait):
                    break
                wait = min(2 * wait, _LONGEST)
        message = f"The sink {self._bus} was not reached before the worker was to stop."
        raise StreamError(message)

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await connect_nats(self._bus, "foresql-sink")
        elif self._client.is_closed:
            try:
                self._client = await connect_nats(self._bus, "foresql-sink")
            except StreamError as error:  # it was there before, and is waited for
                raise ConnectionError(str(error)) from error
        return self._client

    async def _find_stream(self, client: Client) -> str:
        found = await request_api(client, "STREAM.NAMES", {"subject": self._subject})
        for name in found.get("streams") or ():
            info = await request_api(client, f"STREAM.INFO.{name}", {})
            check_stream(name, info["config"], self._subject)
            limits = (client.max_payload, info["config"].get("max_msg_size", -1))
            self._most_bytes = max(min(each for each in limits if each > 0) - _HEADERS, 0)
            return str(name)
        message = f"No stream takes the subject {self._subject}. {_way_out(self._subject)}"
        raise StreamError(message)

    async def _position(self, client: Client, partition: str) -> _Position:
        where = f"$JS.API.STREAM.MSG.GET.{self._stream}"
        wanted = json.dumps({"last_by_subj": self._position_subject(partition)}).encode()
        answer = json.loads((await client.request(where, wanted, timeout=ANSWERING)).data)
        if "error" not in answer:
            found = json.loads(base64.b64decode(answer["message"]["data"]))
            return _Position(answer["message"]["seq"], found["last_offset"], found.get("attempt"))
        if answer["error"]["code"] == _NO_MESSAGE:
            return _Position(0, None)
        message = f"The stream {self._stream} refuses: {answer['error'].get('description')}"
        raise StreamError(message)

    def _position_subject(self, partition: str) -> str:
        """Name a partition of the source by a hash: it may have dots and wildcards."""
        source = "" if self._shape is None else self._shape.source
        name = hashlib.sha256(f"{source}\0{partition}".encode()).hexdigest()[:16]
        return f"{self._subject}.positions.{name}"

    async def _publish(self, client: Client, piece: Piece, attempt: str) -> int:
        """Publish a piece; give the number of its position, or 0 where somebody else moved it.

        It is published again where no answer came, and may have been stored before: the position
        has the name of the attempt.
        """
        batch = uuid.uuid4().hex
        for number, message in enumerate(piece.messages, 1):
            subject = f"{self._subject}.dead" if message.is_dead else self._subject
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            await client.publish(subject, message.payload, headers=headers)
        headers = {
            "Nats-Batch-Id": batch,
            "Nats-Batch-Sequence": str(len(piece.messages) + 1),
            "Nats-Batch-Commit": "1",
            "Nats-Expected-Last-Subject-Sequence": str(self._known[piece.partition].number),
        }
        where = self._position_subject(piece.partition)
        said = {"partition": piece.partition, "last_offset": piece.move.after, "attempt": attempt}
        said |= {"source": self._shape.source, "worker": self._shape.worker} if self._shape else {}
        payload = json.dumps(said).encode()
        reply = await client.request(where, payload, timeout=ANSWERING, headers=headers)
        answer = json.loads(reply.data)
        if "error" not in answer:
            return int(answer["seq"])
        if answer["error"].get("err_code") in _WRONG_SEQUENCE:
            there = await self._position(client, piece.partition)
            return there.number if there.attempt == attempt else 0
        message = f"The stream {self._stream} refuses a batch: {answer['error']['description']}"
        raise StreamError(message)


def check_stream(name: str, configuration: Mapping[str, Any], subject: str) -> None:
    """Refuse a stream that could lose positions, or that has no atomic batches.

    Raises
    ------
    StreamError
        If it does not take the subjects, or drops messages by age or number of all.
    """
    limits = [each for each in ("max_age", "max_msgs", "max_bytes") if configuration[each] > 0]
    problem = None
    if not configuration.get("allow_atomic"):
        problem = "has no atomic batches (a server of 2.12 or later has them)"
    elif limits:
        problem = f"drops messages by {', '.join(limits)}, and positions with them"
    elif not any(_takes(each, f"{subject}.") for each in configuration.get("subjects") or ()):
        problem = f"does not take {subject}.>"
    if problem is not None:
        message = f"The stream {name} {problem}. {_way_out(subject)}"
        raise StreamError(message)


def _takes(pattern: str, prefix: str) -> bool:
    """Whether a subject of a stream ends with ``>``, and takes all that begins so."""
    wanted, words = prefix.rstrip(".").split("."), pattern.split(".")
    head = words[:-1]
    fits = all(mine in {"*", its} for mine, its in zip(head, wanted, strict=False))
    return words[-1] == ">" and len(head) <= len(wanted) and fits


def _way_out(subject: str) -> str:
    return (
        f"\n  What to do: make one with the subjects {subject} and {subject}.>, with allow_atomic, "
        "and without limits but those by subject (max_msgs_per_subject)."
    )
