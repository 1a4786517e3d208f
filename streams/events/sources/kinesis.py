"""Kinesis as a source: shards are partitions, and each is begun behind its sequence number.

A shard that was split or merged is read to its end, and then its children are.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ..definition import LATEST
from ..records import Lag, Record
from .lost import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from ..definition import Definition
    from ..records import Move, Offset

_DIGITS = 56
"""As many as a sequence number has, so that texts compare as numbers do."""
_MOST = 10_000
"""Records of one read, by the service's limits."""
_IDLE, _NAP = 0.2, 0.02
"""Seconds between two reads of a shard that had nothing, of which five a second are allowed."""
_PAUSES = (0.5, 1.0, 2.0, 5.0)
_NEW_SHARDS = 10.0
"""Seconds between two looks for shards."""
_THROTTLED = ("ProvisionedThroughputExceededException", "LimitExceededException")
_EXPIRED = "ExpiredIteratorException"


@dataclass(slots=True)
class _Shard:
    """A shard: where it began and goes on, what came last, and what was not given."""

    begun: dict[str, Any]
    parents: tuple[str, ...]
    before: str | None = None
    is_closed: bool = False
    is_done: bool = False
    iterator: str | None = None
    records: deque[Record] = field(default_factory=deque)
    due: float = 0.0
    failures: int = 0
    behind: int = 1

    def put_off(self) -> None:
        """Wait longer each time before the next read."""
        self.due = time.monotonic() + _PAUSES[min(self.failures, len(_PAUSES) - 1)]
        self.failures += 1


class KinesisSource:
    """A stream: see :class:`~foresql.streams.events.records.Source`."""

    offset_type: str = "VARCHAR"

    def __init__(self, definition: Definition) -> None:
        """Take the stream from the definition; AWS's own variables say who signs on."""
        source = definition.source
        self.name = definition.source_name
        self._region = source.bus.partition("://")[2]
        self._endpoint = source.endpoint
        self._stream = source.stream or ""
        self._chosen = source.shards
        self._at_end = source.start == LATEST
        self._limit = min(definition.batch.most, _MOST)
        self._is_away = False
        self._looked = 0.0
        self._shards: dict[str, _Shard] = {}
        self._client: Any = None
        self._positions: Callable[[Sequence[str]], Mapping[str, Offset]] = lambda _: {}

    def open(self, positions: Callable[[Sequence[str]], Mapping[str, Offset]]) -> None:
        """Connect, and find the shards.

        Raises
        ------
        StreamError
            If boto3 is not installed, the service cannot be reached, or there is no such stream,
            or shard.
        """
        self._positions = positions
        self._opened = datetime.now(UTC)
        _import_boto3()
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client = _client(self._region, self._endpoint)
            found = self._list_shards()
        except (BotoCoreError, ClientError, ValueError) as error:
            message = f"[source] bus = kinesis://{self._region}, stream {self._stream}: {error}"
            raise StreamError(message) from error
        unknown = set(self._chosen) - found.keys()
        if unknown:
            message = f"[source] shards: {self._stream} has no {', '.join(sorted(unknown))}."
            raise StreamError(message)
        self._look(at_end=self._at_end)

    def poll(self, most: int, wait: float) -> list[Record]:
        """Read each shard once, until there is something."""
        until = time.monotonic() + wait
        while True:
            self._read_all()
            records: list[Record] = []
            for name in list(self._shards):
                shard = self._shards[name]
                count = min(most - len(records), len(shard.records))
                records += [shard.records.popleft() for _ in range(count)]
                if count:
                    self._shards[name] = self._shards.pop(name)  # to the end of the row
            left = until - time.monotonic()
            if records or left <= 0:
                return records
            time.sleep(min(left, _NAP))

    def owns(self, partition: str) -> bool:
        """Whether the shard is among those of this worker."""
        return partition in self._shards

    def seek(self, partition: str) -> None:
        """Read a shard anew, behind its position, or from where it was begun."""
        known = self._shards.get(partition)
        if known is not None:
            position = self._positions([partition]).get(partition)
            before = None if position is None else str(position)
            self._shards[partition] = _Shard(known.begun, known.parents, before, known.is_closed)

    def done(self, positions: Mapping[str, Offset]) -> None:
        """Do nothing: the service keeps no positions."""

    def marks(self) -> Mapping[str, Move]:
        """Give none."""
        return {}

    def lag(self) -> Mapping[str, int]:
        """Say what waits here, and one more where the shard has more: it does not say how many.

        A shard that was read to its end has more until its children are looked for.
        """
        is_due = self._looked == 0.0
        return {
            name: len(shard.records) + (is_due or shard.behind > 0)
            for name, shard in self._shards.items()
            if is_due or not shard.is_done
        }

    def others(self) -> Mapping[str, int]:
        """Give none: a worker has all shards that its definition names."""
        return {}

    def behind(self, positions: Mapping[str, str]) -> dict[str, Lag]:
        """Ask how late a reader is that begins behind each position; how many wait it does not say.

        Raises
        ------
        StreamError
            If the service does not answer, or there is no such stream.
        """
        _import_boto3()
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client = _client(self._region, self._endpoint)
            names = sorted(_with_children(self._list_shards(), self._chosen))
            return {
                name: self._behind(name, positions.get(name))
                for name in names
                if name in positions or not self._at_end
            }
        except (BotoCoreError, ClientError, ValueError) as error:
            message = f"Kinesis in {self._region}, {self._stream}: {error}"
            raise StreamError(message) from error
        finally:
            self.close()

    def _behind(self, name: str, position: str | None) -> Lag:
        begin = _behind(position) if position else {"ShardIteratorType": "TRIM_HORIZON"}
        place = self._call("get_shard_iterator", StreamName=self._stream, ShardId=name, **begin)
        found = self._call("get_records", ShardIterator=place["ShardIterator"], Limit=1)
        seconds = found.get("MillisBehindLatest", 0) / 1000  # behind what was found
        for each in found["Records"]:
            seconds = max(seconds, time.time() - each["ApproximateArrivalTimestamp"].timestamp())
        return Lag(None if seconds or found["Records"] else 0, seconds)

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _look(self, *, at_end: bool = False) -> None:
        """Find shards, and children of those that were read to their end."""
        self._looked = time.monotonic()
        found = self._list_shards()
        chosen = _with_children(found, self._chosen)
        new = [name for name in found if name in chosen and name not in self._shards]
        done = self._positions(new) if new else {}
        for name in new:
            begun: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
            if at_end:
                begun = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self._opened}
            before = str(done[name]) if name in done else None
            self._shards[name] = _Shard(begun, _parents(found[name]), before)
        for name, shard in self._shards.items():
            ends = found.get(name, {}).get("SequenceNumberRange", {})
            shard.is_closed = "EndingSequenceNumber" in ends

    def _list_shards(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        wanted: dict[str, str] = {"StreamName": self._stream}
        while wanted:
            answer = self._call("list_shards", **wanted)
            found |= {each["ShardId"]: each for each in answer["Shards"]}
            wanted = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        return found

    def _read_all(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        now = time.monotonic()
        try:
            if now > self._looked + _NEW_SHARDS:
                self._look()
            for name, shard in list(self._shards.items()):
                if shard.due <= now and not shard.records and self._is_ready(shard):
                    self._read(name, shard)
            if self._is_away:
                self._is_away = False
                LOG.warning("Kinesis in %s is back.", self._region)
        except (BotoCoreError, ClientError) as error:
            if not self._is_away:
                self._is_away = True
                LOG.warning("%s; the worker goes on when the bus is back.", error)
            time.sleep(_NAP)

    def _is_ready(self, shard: _Shard) -> bool:
        """Whether it has a part to read, and its parents were read before."""
        parents = (self._shards[each] for each in shard.parents if each in self._shards)
        return not shard.is_done and all(each.is_done and not each.records for each in parents)

    def _read(self, name: str, shard: _Shard) -> None:
        from botocore.exceptions import ClientError

        try:
            if shard.iterator is None:
                begin = _behind(shard.before) if shard.before else shard.begun
                shard.iterator = self._call(
                    "get_shard_iterator", StreamName=self._stream, ShardId=name, **begin
                )["ShardIterator"]
            found = self._call("get_records", ShardIterator=shard.iterator, Limit=self._limit)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _EXPIRED:
                shard.iterator = None  # it is asked for anew, behind what came
            elif code not in _THROTTLED:
                raise
            shard.put_off()
            return
        self._keep(name, shard, found)

    def _keep(self, name: str, shard: _Shard, found: Mapping[str, Any]) -> None:
        for each in found["Records"]:
            offset = each["SequenceNumber"].zfill(_DIGITS)
            published = each["ApproximateArrivalTimestamp"].timestamp()
            record = Record(name, offset, published, each["Data"], shard.before)
            shard.records.append(record)
            shard.before = offset
        shard.failures = 0
        shard.behind = found.get("MillisBehindLatest", 0)
        shard.iterator = found.get("NextShardIterator")
        if not found["Records"] and shard.behind == 0:
            shard.due = time.monotonic() + _IDLE
            shard.is_done = shard.is_closed
        shard.is_done = shard.is_done or shard.iterator is None
        if shard.is_done:
            self._looked = 0.0  # its children are there

    def _call(self, what: str, **wanted: Any) -> dict[str, Any]:
        """Ask the service; what it cannot answer ever is a StreamError."""
        from botocore.exceptions import ClientError, NoCredentialsError

        try:
            return getattr(self._client, what)(**wanted)
        except NoCredentialsError as error:
            message = "Kinesis needs credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise StreamError(message) from error
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] // 100 == 5:  # noqa: PLR2004
                raise
            if error.response["Error"]["Code"] in {*_THROTTLED, _EXPIRED}:
                raise
            message = f"Kinesis in {self._region}, {self._stream}: {error}"
            raise StreamError(message) from error


def _import_boto3() -> ModuleType:
    try:
        import boto3
    except ModuleNotFoundError as error:
        message = "Kinesis needs boto3: pip install 'foresql[kinesis]'"
        raise StreamError(message) from error
    return boto3


def _client(region: str, endpoint: str | None) -> Any:
    from botocore.config import Config

    settings = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    client: Any = _import_boto3().client
    return client("kinesis", region_name=region, endpoint_url=endpoint, config=settings)


def _behind(position: str) -> dict[str, Any]:
    number = position.lstrip("0") or "0"
    return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": number}


def _parents(shard: Mapping[str, Any]) -> tuple[str, ...]:
    found = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    return tuple(each for each in found if each)


def _with_children(found: Mapping[str, Mapping[str, Any]], chosen: Sequence[str]) -> set[str]:
    """Give the shards chosen, and all that came from them; none chosen are all."""
    if not chosen:
        return set(found)
    names = set(chosen)
    while more := {n for n in found if n not in names and names.intersection(_parents(found[n]))}:
        names |= more
    return names
