"""Which partition a key belongs to: the first one whose event of it was committed.

Windows and alerts need all events of a key in one order, which a partition alone has. The claims
are a table of the sink with one row a key. They are written in the transaction of the batch that
makes them, and a batch with a key that was claimed meanwhile is not written, as if its position had
moved. So neither two workers nor a crash can give a key to two partitions.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pyarrow as pa

from ...errors import StreamError
from .definition import PARTITION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .stages import Read

    Key = tuple[object, ...]

CLAIMED = "key"
"""The column with a key as text, which is there once."""
CLAIMS = pa.schema(
    [pa.field(CLAIMED, pa.string(), nullable=False), pa.field(PARTITION, pa.string())]
)
_LONGEST = 300
"""Longer keys are known by a hash: an index of Postgres takes no long texts."""
_MOST = 200_000
"""Of so many keys the owners stay in memory; of more they are read again."""


class Claims:
    """The claims of a worker's windows, or of its alerts.

    Attributes
    ----------
    tables
        The columns of their table; none where a key names its partition, as it then has but one.
    """

    def __init__(self, table: str, key: Sequence[str]) -> None:
        """Name the table, and the columns of the key."""
        self._table = table
        self._is_used = PARTITION not in key
        self.tables: Mapping[str, pa.Schema] = {table: CLAIMS} if self._is_used else {}
        self._read: Read | None = None
        self._owners: dict[Key, str] = {}
        self._new: dict[Key, str] = {}

    def open(self, read: Read) -> None:
        """Take what reads rows of the table."""
        self._read = read

    def drop(self) -> None:
        """Forget what is in memory, since it was not written: the table is read again."""
        self._owners.clear()
        self._new.clear()

    def claim(self, partition: str, keys: Collection[Key]) -> dict[Key, str]:
        """Claim keys for a partition, and give those that belong to others, with whose they are."""
        if not self._is_used:
            return {}
        unknown = [key for key in keys if key not in self._owners]
        if unknown:
            self._look(unknown)
        for key in unknown:
            if key not in self._owners:
                self._owners[key] = self._new[key] = partition
        return {key: owner for key in keys if (owner := self._owners[key]) != partition}

    def rows(self) -> dict[str, pa.Table]:
        """Give the claims that are new, which go to the sink with the batch."""
        if not self._is_used:
            return {}
        new, self._new = self._new, {}
        if len(self._owners) > _MOST:
            # The sink lacks these until the batch is written, which is during the next one.
            self._owners = dict(new)
        texts = [key_text(key) for key in new]
        return {self._table: pa.table([texts, list(new.values())], schema=CLAIMS)}

    def _look(self, keys: Sequence[Key]) -> None:
        if self._read is None:
            message = "The claims are not open."
            raise StreamError(message)
        texts = {key_text(key): key for key in keys}
        found = self._read(self._table, list(texts), CLAIMED)
        for text, partition in zip(
            *(found[name].to_pylist() for name in CLAIMS.names), strict=True
        ):
            self._owners[texts[text]] = partition


def key_text(key: Key) -> str:
    """Write a key such that different ones of the same types have different texts."""
    text = json.dumps([_plain(value) for value in key], ensure_ascii=False)
    if len(text) <= _LONGEST and "\\u0000" not in text:
        return text
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def elsewhere(owner: str) -> str:
    """Say why an event is refused, without a value of it."""
    return f"events of its key came in the partition {owner} before"
