"""Reading snapshots from Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..errors import FeatureError
from .following import FollowingStore
from .keys import KeyCodec
from .manifest import Manifest, read_manifest
from .redis_server import MARK, Address, as_text, connect, explained, field_of, read_address
from .rows import RowCodec
from .snapshots import Snapshot, SnapshotView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import redis

    from .view import FeatureView

_CHUNK = 1_000
_ATTEMPTS = 3


class RedisStore(FollowingStore):
    """The views whose snapshots are in Redis."""

    def __init__(self, location: str) -> None:
        """Connect, and find the snapshots.

        Raises
        ------
        FeatureError
            If the address is none, or the server cannot be reached.
        """
        super().__init__()
        self._address = read_address(location)
        self._client = connect(self._address)
        self.refresh()

    @property
    def location(self) -> str:
        """The server, without a password."""
        return self._address.title

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._client.close()

    def _states(self) -> Mapping[str, object]:
        with explained(self._address, "Reading"):
            found: Any = self._client.hgetall(self._address.views)
        return {as_text(name): content for name, content in found.items()}

    def _view(self, snapshot: Snapshot) -> SnapshotView:
        return RedisView(snapshot, is_local=False, store=self)

    def _snapshot(self, name: str, state: object) -> Snapshot:
        where = f"{name} of {self.location}"
        manifest = read_manifest(cast("bytes", state), where)
        own = self._address.place(name, "")
        if manifest.view.name != name or not manifest.place.startswith(own):
            message = f"{where} is the manifest of something else: {manifest.place[:80]!r}."
            raise FeatureError(message)
        check_rows(self._client, self._address, manifest)
        return Snapshot(manifest, RedisRows(self._client, self._address, manifest))


class RedisView(SnapshotView):
    """A view that finds a newer snapshot where its own is gone: it was replaced long ago."""

    __slots__ = ("_store",)

    def __init__(self, snapshot: Snapshot, *, is_local: bool, store: RedisStore) -> None:
        """Begin with a snapshot of a store."""
        super().__init__(snapshot, is_local=is_local)
        self._store = store

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look entities up in one snapshot."""
        return self.look_up(keys)[1]

    def look_up(
        self, keys: Sequence[tuple[Any, ...]]
    ) -> tuple[FeatureView, list[tuple[Any, ...] | None]]:
        """Look entities up in one snapshot, and say in which."""
        for _ in range(_ATTEMPTS):
            snapshot = self._current
            try:
                return super().look_up(keys)
            except SnapshotGoneError:
                self._store.refresh()
                if self._store.views.get(self.view.name) not in {self, None}:
                    message = (
                        f"The columns of {self.view.name} in {self._store.location} are others by "
                        "now.\n  What to do: see why what reads it does not follow, or start it "
                        "again."
                    )
                    raise FeatureError(message) from None
                if self._current is snapshot:  # there is none
                    raise
        message = f"The snapshots of {self.view.name} in {self._store.location} go as they come."
        raise FeatureError(message)


class SnapshotGoneError(FeatureError):
    """The rows of a snapshot are not there any more."""


class RedisRows:
    """The rows of one snapshot."""

    __slots__ = ("_address", "_client", "_keys", "_place", "_rows")

    def __init__(self, client: redis.Redis, address: Address, manifest: Manifest) -> None:
        """Take what a manifest names."""
        view = manifest.view
        self._client, self._address, self._place = client, address, manifest.place
        self._keys = KeyCodec(view.name, view.keys, view.columns)
        self._rows = RowCodec(view.columns)

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look keys up.

        Raises
        ------
        SnapshotGoneError
            If the snapshot is not there any more.
        """
        encoded = [self._keys.encode(key) for key in keys]
        # A key that no entity has is not asked for.
        fields = [field_of(key) for key in encoded if key is not None]
        found = iter([*self._read(fields)])
        decode = self._rows.decode
        return [
            None if key is None or (row := next(found)) is None else decode(row) for key in encoded
        ]

    def _read(self, fields: list[bytes]) -> Iterator[bytes | None]:
        for start in range(0, len(fields), _CHUNK):
            with explained(self._address, "Reading"):
                # Atomic, so the mark says that the snapshot was there for all of these.
                answer: Any = self._client.hmget(
                    self._place, [MARK, *fields[start : start + _CHUNK]]
                )
            if answer[0] is None:
                message = (
                    f"The snapshot {self._place} is gone from {self._address.title}: was it "
                    "evicted, or the database flushed?\n  What to do: materialize it again."
                )
                raise SnapshotGoneError(message)
            yield from answer[1:]


def check_rows(client: redis.Redis, address: Address, manifest: Manifest) -> None:
    """Check that a snapshot is there with all of its rows.

    Raises
    ------
    FeatureError
        If it is not.
    """
    with explained(address, "Reading"):
        count: Any = client.hlen(manifest.place)
        is_there: Any = client.hexists(manifest.place, as_text(MARK))
    if count != manifest.rows + 1 or not is_there:
        message = (
            f"The snapshot {manifest.place} in {address.title} has {max(count - 1, 0):,} rows, and "
            f"was written with {manifest.rows:,}: it is not whole.\n"
            f"  What to do: materialize {manifest.view.name} again."
        )
        raise FeatureError(message)
