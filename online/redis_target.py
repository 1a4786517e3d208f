"""Writing snapshots into Redis: rows under a key that expires, then one switch to it.

What a killed writer left expires by itself. So does a snapshot that was replaced, after a grace:
who reads it has looked for the newer one long before.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import FeatureError
from .manifest import Manifest, check_readable, read_manifest
from .redis_server import MARK, as_text, connect, explained, field_of, read_address
from .redis_store import check_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .view import FeatureView

GRACE = 600
"""For how many seconds a snapshot that was replaced can still be read."""
LOADING = 3600
"""After how many seconds without a further row a snapshot that nobody switched to expires."""
_CHUNK = 1_000


class RedisTarget:
    """A server that snapshots are written to; several processes may."""

    def __init__(self, location: str) -> None:
        """Connect.

        Raises
        ------
        FeatureError
            If the address is none, or the server cannot be reached.
        """
        self._address = read_address(location)
        self._client = connect(self._address)
        with explained(self._address, "Connecting to"):
            there: Any = self._client.hgetall(self._address.views)
        # What was there before the warehouse is read: only what comes later can be newer.
        self._before = {as_text(name): _read(content) for name, content in there.items()}

    def replace(
        self, view: FeatureView, rows: Iterator[tuple[Any, bytes]], source: Mapping[str, str]
    ) -> Manifest:
        """Write all rows, and only then let them be the view's newest snapshot."""
        place = self._address.place(view.name, uuid.uuid4().hex)
        try:
            with explained(self._address, "Writing to"):
                count, size, digest = self._load(place, rows)
                manifest = Manifest(view, count, place, size, digest, dict(source))
                check_readable(manifest)
                check_rows(self._client, self._address, manifest)
        except BaseException:
            with suppress(Exception):
                self._client.unlink(place)
            raise
        # Nothing is removed from here on: whatever is raised, readers may have been switched to it.
        # Where they were not, it expires.
        with explained(self._address, "Writing to"):
            self._switch(manifest)
        return manifest

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _load(self, place: str, rows: Iterator[tuple[Any, bytes]]) -> tuple[int, int, str]:
        """Write all rows; give how many, their bytes, and their hash."""
        count = size = 0
        digest = hashlib.sha256()
        chunk: list[bytes] = [MARK, b""]
        while True:
            for key, row in itertools.islice(rows, _CHUNK):
                field = field_of(key)
                chunk += (field, row)
                digest.update(b"%d %d " % (len(field), len(row)) + field + row)
                count, size = count + 1, size + len(row)
            if not chunk:
                return count, size, digest.hexdigest()
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hset(place, items=chunk)
                pipeline.expire(place, LOADING)
                pipeline.execute()
            chunk = []

    def _switch(self, manifest: Manifest) -> None:
        """Let readers find the new snapshot, and the old one go after a grace: both or neither."""
        views, name = self._address.views, manifest.view.name

        def switch(pipeline: Any) -> None:
            before = pipeline.hget(views, name)
            is_there = pipeline.exists(manifest.place)
            pipeline.multi()
            if not is_there:
                message = f"The snapshot of {name} was evicted while it was written."
                raise FeatureError(message)
            pipeline.persist(manifest.place)
            pipeline.hset(views, name, manifest.to_json())
            old = _read(before)
            # Where the answer to the first attempt was lost, what stands there is this snapshot.
            own = self._address.place(name, "")
            if old is None or old.place == manifest.place:
                return
            try:
                self._check_newer(manifest, old)
            except FeatureError:
                self._client.expire(manifest.place, GRACE)  # nobody was ever switched to it
                raise
            if old.place.startswith(own):
                pipeline.expire(old.place, GRACE)

        self._client.transaction(switch, views, manifest.place)

    def _check_newer(self, manifest: Manifest, there: Manifest) -> None:
        """Refuse to replace what another run wrote meanwhile, of a later state of the warehouse."""
        name = manifest.view.name
        before = self._before.get(name)
        is_known = before is not None and before.place == there.place
        if not is_known and there.view.as_of > manifest.view.as_of:
            message = (
                f"Another run has put a newer snapshot of {name} in place, as of "
                f"{there.view.as_of:%Y-%m-%d %H:%M:%S} UTC, while this one read the warehouse of "
                f"{manifest.view.as_of:%Y-%m-%d %H:%M:%S} UTC: the newer one stays.\n  What to do: "
                "nothing, or run this again."
            )
            raise FeatureError(message)


def _read(content: bytes | None) -> Manifest | None:
    """Read a manifest; None where it is none."""
    if content is None:
        return None
    with suppress(FeatureError):
        return read_manifest(content, as_text(MARK))
    return None
