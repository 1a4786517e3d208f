"""A region of Kinesis, in moto's server: it has shards, splits and sequence numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from event_sources import definition
from moto.kinesis.models import kinesis_backends
from moto.server import ThreadedMotoServer

from foresql.streams.events.definition import Definition

HALF = 1 << 127
"""Where the hash keys of the second of two shards begin."""


class Kinesis:
    """A region of moto's, and its client."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client = boto3.client("kinesis", region_name="eu-west-1", endpoint_url=endpoint)

    def definition(self, stream: str, **source: Any) -> Definition:
        return definition("kinesis://eu-west-1", stream, endpoint=self.endpoint, **source)

    def publish(self, stream: str, shard: int, begin: int, end: int) -> None:
        """Publish numbers to one half of the hash keys."""
        self.put(stream, [(shard, b"%d" % number) for number in range(begin, end)])

    def put(self, stream: str, payloads: Sequence[tuple[int, bytes]]) -> None:
        """Publish payloads, each to one half of the hash keys."""
        records = [
            {"Data": each, "PartitionKey": "x", "ExplicitHashKey": str(shard * HALF + place)}
            for place, (shard, each) in enumerate(payloads)
        ]
        self.client.put_records(StreamName=stream, Records=records)

    def split(self, stream: str, shard: str) -> None:
        at = str(HALF // 2)
        self.client.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=at)
        self._close(stream, shard)

    def merge(self, stream: str, shard: str, other: str) -> None:
        self.client.merge_shards(StreamName=stream, ShardToMerge=shard, AdjacentShardToMerge=other)
        self._close(stream, shard)
        self._close(stream, other)

    @staticmethod
    def _close(stream: str, shard: str) -> None:
        """Let a shard that was split or merged get nothing more, as AWS does, and moto not."""
        closed = kinesis_backends["123456789012"]["eu-west-1"].streams[stream].shards[shard]
        closed.ending_hash = closed.starting_hash - 1

    def shards(self, stream: str) -> list[str]:
        return [each["ShardId"] for each in self.client.list_shards(StreamName=stream)["Shards"]]


@contextmanager
def kinesis_region() -> Iterator[Kinesis]:
    """Serve a region, with the keys for it in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield Kinesis(f"http://{host}:{port}")
        finally:
            server.stop()
