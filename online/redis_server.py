"""A connection to Redis, its address, and the names of what stands there.

- ``PREFIX:views``: a hash, from a view's name to the manifest of its newest snapshot.
- ``PREFIX:VIEW:VERSION``: a hash, from keys to rows, and a mark that says that it is there.

A snapshot is one key of Redis on purpose: it comes, expires and is evicted as a whole, so an entity
can be missing only because the warehouse did not have it.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ..errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Generator

    import redis

MARK = b"m"
"""The field of a snapshot that no entity has: their fields begin with a ``k``."""
USER, PASSWORD = "FORESQL_REDIS_USER", "FORESQL_REDIS_PASSWORD"
_PORT = 6379
_TIMEOUT = 10.0
# Said, since older clients check a certificate and not whose it is.
_TLS: dict[str, Any] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
_MOST_SAID = 300
_PREFIX = re.compile(r"[A-Za-z0-9_.{}-]{1,100}", re.ASCII)
_DATABASE = re.compile(r"/?(\d{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the snapshots are; ``title`` is what people may see."""

    host: str
    port: int
    database: int
    prefix: str
    is_encrypted: bool

    @property
    def title(self) -> str:
        """The address, which holds no secret."""
        scheme = "rediss" if self.is_encrypted else "redis"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{self.database}?prefix={self.prefix}"

    @property
    def views(self) -> str:
        """The key of the manifests."""
        return f"{self.prefix}:views"

    def place(self, view: str, version: str) -> str:
        """Name the key of a snapshot."""
        return f"{self.prefix}:{view}:{version}"


def read_address(location: str) -> Address:
    """Take an address apart.

    Raises
    ------
    FeatureError
        If it is none, or holds a password; the message does not quote it.
    """
    try:
        parts = urlsplit(location)
        query = parse_qs(parts.query, keep_blank_values=True)
        host, port = parts.hostname, parts.port
        database = _DATABASE.fullmatch(parts.path)
    except ValueError:
        host = port = database = None
        parts, query = urlsplit(""), {}
    if parts.password is not None or parts.username is not None or "@" in location:
        message = (
            "The address of Redis holds a user or a password, which everybody sees who lists "
            f"processes.\n  What to do: leave it out, and set {USER} and {PASSWORD}."
        )
        raise FeatureError(message)
    prefix = query.pop("prefix", ["foresql"])[-1]
    if not host or database is None or query or not _PREFIX.fullmatch(prefix):
        message = "The address of Redis is none: redis://host:6379/0?prefix=shop, or rediss://."
        raise FeatureError(message)
    is_encrypted = parts.scheme == "rediss"
    return Address(host, port or _PORT, int(database[1] or 0), prefix, is_encrypted)


def connect(address: Address) -> redis.Redis:
    """Make a client, which may be used by several threads.

    Raises
    ------
    FeatureError
        If its library is not installed.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        message = "redis is not installed: pip install 'foresql[redis]'"
        raise FeatureError(message) from error
    return redis.Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=os.environ.get(USER),
        password=os.environ.get(PASSWORD),
        ssl=address.is_encrypted,
        **(_TLS if address.is_encrypted else {}),
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        # A connection that the server closed while it was idle is made anew, once.
        retry=Retry(NoBackoff(), 1),
        protocol=2,
    )


@contextmanager
def explained(address: Address, doing: str) -> Generator[None]:
    """Turn errors of Redis into ours, with what was done there.

    Raises
    ------
    FeatureError
        If the server cannot be reached, or refuses a command.
    """
    import redis

    try:
        yield
    except redis.RedisError as error:
        # A pipeline quotes the command, with rows in it, before it says what is wrong.
        said = str(error).rsplit("of pipeline caused error: ", maxsplit=1)[-1][:_MOST_SAID]
        message = (
            f"{doing} {address.title} failed: {said}\n  What to do: check that the server is "
            f"there, has memory left, and knows {USER} and {PASSWORD}."
        )
        raise FeatureError(message) from error


def field_of(key: int | bytes) -> bytes:
    """Name the field of an entity."""
    return b"k" + (key if isinstance(key, bytes) else b"%d" % key)


def as_text(found: Any) -> str:
    """Read a name that Redis gave."""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
