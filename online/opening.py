"""From a location to the snapshots that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .folder import FolderStore

if TYPE_CHECKING:
    from .view import OnlineStore

REDIS = ("redis://", "rediss://")


def open_online(location: str) -> OnlineStore:
    """Open the snapshots of a folder, or of a Redis server.

    Open them in the process that reads: no connection survives a fork.

    Parameters
    ----------
    location
        A folder, or ``redis://host:port/database?prefix=shop`` without a password: that is in
        ``FORESQL_REDIS_PASSWORD``. ``rediss://`` is encrypted.

    Raises
    ------
    FeatureError
        If it cannot be read. A single snapshot that is broken is in ``problems`` instead.
    """
    if location.startswith(REDIS):
        from .redis_store import RedisStore

        return RedisStore(location)
    return FolderStore(location)
