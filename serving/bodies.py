"""Reading bodies: never more than is allowed, never longer, and unpacked no further."""

from __future__ import annotations

import asyncio
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from .http import DisconnectedError, Refusal, bad, busy

if TYPE_CHECKING:
    from .http import Message, Request
    from .settings import Limits

_GZIP_WINDOW = 31  # zlib's largest window, and gzip's header
_CLOSE = (b"connection", b"close")


class Bodies:
    """Reads the bodies of all requests under common limits."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing in memory."""
        self._limits = limits
        self.buffered = 0

    async def read(self, request: Request) -> bytes:
        """Read a body, and unpack it where it is gzip.

        Raises
        ------
        Refusal
            If it is too large (413), too slow (408), badly packed (400), packed in another way
            (415), or if there is no room for it (429).
        DisconnectedError
            If the client went away.
        """
        declared = request.headers.get(b"content-length", b"0")
        if len(declared) > 18 or (declared.isdigit() and int(declared) > self._limits.body_bytes):  # noqa: PLR2004 - digits of an exabyte
            raise self._too_large()
        if request.headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            message = "The transfer encoding is none that is read here. Send chunked, or none."
            raise Refusal(HTTPStatus.BAD_REQUEST, message, _CLOSE)
        deadline = _Deadline(self._limits.body_seconds)
        try:
            body = await self._received(request)
        except asyncio.CancelledError:
            if not deadline.is_over():
                raise
            message = f"The body did not arrive within {self._limits.body_seconds:g} seconds."
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, message, _CLOSE) from None
        finally:
            deadline.end()
        encoding = request.headers.get(b"content-encoding", b"identity").lower()
        return body if encoding == b"identity" else self._unpacked(body, encoding)

    async def _received(self, request: Request) -> bytes:
        message = await _next(request)
        if not message.get("more_body", False):
            return self._checked(message.get("body", b""))
        parts = [message.get("body", b"")]
        held = len(parts[0])
        self.buffered += held
        try:
            while message.get("more_body", False):
                message = await _next(request)
                part = message.get("body", b"")
                parts.append(part)
                held += len(part)
                self.buffered += len(part)
                if held > self._limits.body_bytes:
                    raise self._too_large()
                if self.buffered > self._limits.buffered_bytes:
                    raise busy("The server holds as many bodies as it has room for.")
            return b"".join(parts)
        finally:
            self.buffered -= held

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._limits.body_bytes:
            raise self._too_large()
        return body

    def _unpacked(self, body: bytes, encoding: bytes) -> bytes:
        if encoding != b"gzip":
            message = "The content encoding is none that is read here. Send gzip, or none."
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        try:
            # One byte more tells a body that is just as large as allowed from one that is larger.
            unpacked = unpacker.decompress(body, self._limits.body_bytes + 1)
        except zlib.error as error:
            raise bad("The body is not the gzip that its content encoding says.") from error
        if len(unpacked) > self._limits.body_bytes:
            raise self._too_large()
        if not unpacker.eof or unpacker.unused_data:
            raise bad("The body is not one whole gzip member: it is cut short, or goes on.")
        return unpacked

    def _too_large(self) -> Refusal:
        message = (
            f"The body has more than {self._limits.body_bytes:,} bytes. Send fewer rows at a time."
        )
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, _CLOSE)


class _Deadline:
    """Cancels the running task when its time is up: ``asyncio.timeout`` in a fifth of the time."""

    __slots__ = ("_handle", "_is_over", "_task")

    def __init__(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        self._is_over = False
        self._handle = loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._is_over = True
        if self._task is not None:
            self._task.cancel()

    def is_over(self) -> bool:
        """Whether it was this that cancelled the task, which then goes on."""
        if self._is_over and self._task is not None:
            self._task.uncancel()
        return self._is_over

    def end(self) -> None:
        self._handle.cancel()


async def _next(request: Request) -> Message:
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    return message
