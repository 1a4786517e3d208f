"""Connections: how slowly and how largely a client may speak, which uvicorn does not limit.

A head has so many bytes and seconds; what is left of a body that nobody wanted has so many, too; an
answer must be taken. What is no HTTP, and one connection too many, are told so in JSON.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .http import Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from .settings import Limits

_FRAMING = 8
"""Bytes that may frame each byte of a body: one alone in a chunk is sent as six."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, for a server whose application is an ``App``."""

    # uvicorn says that it always is one, and begins with None.
    cycle: RequestResponseCycle | None  # pyright: ignore[reportIncompatibleVariableOverride]
    _limits: Limits
    _timer: asyncio.TimerHandle | None = None
    """Runs while something is missing that nobody else waits for."""
    _reader: asyncio.TimerHandle | None = None
    """Runs while an answer is not taken."""
    _is_whole = True
    """Whether the message that came last is all there; true before the first one."""
    _begun = 0
    """Messages."""
    _beside = 0
    """Bytes of the message that is arriving, but for its body."""
    _of_body = 0
    """Bytes of bodies, of all messages."""
    _may_beside = 0
    _ahead: Sequence[RequestResponseCycle] = ()
    """Requests that were not answered when the next one came."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head; not at all where there are too many connections."""
        super().connection_made(transport)
        app: Any = self.config.app
        self._limits = app.service.settings.limits
        if len(self.connections) > self._limits.connections:
            message = "The server has as many connections as it takes."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, message)
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        if self._reader is not None:
            self._reader.cancel()
        self._give_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and look at what is still missing."""
        begun, of_body, was_whole = self._begun, self._of_body, self._is_whole
        super().data_received(data)
        if self._is_whole:
            if self.cycle is None or self.cycle.response_complete:
                self._wait()  # it was the end of a body that nobody wanted, or empty lines
            else:
                self._stop_waiting()
            return
        of_body = self._of_body - of_body
        if self._begun > begun:
            self._beside, self._may_beside = 0, self._limits.head_bytes
        if self._begun == begun or (was_whole and self._begun == begun + 1):
            # Not where the data holds the end of another message: how much of it is not known.
            self._beside += len(data) - of_body
            self._may_beside += _FRAMING * of_body
        if self._beside > self._may_beside:
            most = self._limits.head_bytes
            message = f"The request has more than {most:,} bytes beside its body."
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, message)
        elif self._is_read():
            self._stop_waiting()
        else:
            self._wait()

    def on_message_begin(self) -> None:
        """Note that a message arrives."""
        super().on_message_begin()
        self._begun += 1
        self._is_whole = False

    def on_headers_complete(self) -> None:
        """Keep the requests that are ahead of this one, which uvicorn forgets."""
        before = self.cycle
        super().on_headers_complete()
        if before is not None and not before.response_complete:
            waiting = [each for each in self._ahead if not each.response_complete]
            self._ahead = [*waiting, before]

    def on_body(self, body: bytes) -> None:
        """Count what is no head."""
        self._of_body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a message is there."""
        self._is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Look whether the answer is taken, and whether the rest of the body comes."""
        super().on_response_complete()
        self._expect_taken()
        if not self._is_whole and not self._is_read():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in JSON as all else."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _is_read(self) -> bool:
        """Whether what arrives is a body that a request waits for, under a deadline of its own."""
        cycle = self.cycle
        return "path" in self.scope and cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._limits.head_seconds, self._expire)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        """End a connection that a head, or the rest of a body, did not come over."""
        self._timer = None
        if self._is_whole or "path" in self.scope:  # nobody waits for an answer
            self._end()
            return
        message = f"The head did not arrive within {self._limits.head_seconds:g} seconds."
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, message)

    def _unsupported_upgrade_warning(self) -> None:
        """Speak no other protocol: uvicorn calls this where a request asked for one.

        The parser then takes a body for the beginning of that protocol, and later for requests.
        """
        names = {name for name, _ in self.headers}
        if names & {b"content-length", b"transfer-encoding"}:
            message = "This is HTTP/1.1 alone. Send the request without the header Upgrade."
            self._refuse(HTTPStatus.BAD_REQUEST, message)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer the message that is arriving, and end; earlier ones are answered before."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        was_answered = False
        if cycle is not None:
            is_its_own = cycle.scope is self.scope
            was_answered = is_its_own and cycle.response_complete
            if not cycle.response_complete:
                if not is_its_own or cycle.response_started or self.pipeline:
                    cycle.keep_alive = False
                    return
                cycle.disconnected = True
                cycle.message_event.set()
        if not was_answered:
            self.transport.write(_whole(Refusal(status, message)))
        self._end()

    def _end(self) -> None:
        self._stop_waiting()
        self.transport.close()
        self._expect_taken()

    def _expect_taken(self) -> None:
        """Look later whether what is written and not yet sent was taken."""
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            if self._reader is not None:
                self._reader.cancel()
            self._reader = self.loop.call_later(self._limits.answer_seconds, self._look, waiting)

    def _look(self, before: int) -> None:
        """Drop a connection over which nothing was taken since the last look."""
        if self.transport.get_write_buffer_size() >= before:
            self._give_up()
            self.transport.abort()
        else:
            self._expect_taken()

    def _give_up(self) -> None:
        """Let no request write to a connection that is gone, or wait for more of it."""
        for cycle in self._ahead:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True


def _whole(refusal: Refusal) -> bytes:
    response = refusal.response()
    head: list[bytes] = [STATUS_LINE[response.status]]
    for name, value in (*response.headers, (b"connection", b"close")):
        head += [name, b": ", value, b"\r\n"]
    return b"".join([*head, b"\r\n", response.body])
