"""Connections to NATS: how a client signs on by the environment, and a thread for its loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import threading
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ...errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from concurrent.futures import Future

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

Taker: TypeAlias = "Callable[[bytes, bytes, bytes | None], None]"
"""What hears messages: the reply subject, the payload, and the headers of a status message."""
CONNECTING = 10.0
"""Seconds that a server may take to be reached."""
ANSWERING, _CLOSING = 5.0, 2.0
"""Seconds that it may take to answer, and to take leave."""
_UNAVAILABLE, _NO_CONSUMER = 500, 10014
"""Codes of JetStream's answers."""
_Result = TypeVar("_Result")


async def connect_nats(
    bus: str, name: str, on_closed: Callable[[], Awaitable[None]] | None = None
) -> Client:
    """Connect once; where the connection ends, it stays so, and ``on_closed`` is called.

    ``bus`` is ``nats://HOST:PORT``, with several servers after commas. User, password, token,
    credentials and the CA come from the environment.

    Raises
    ------
    StreamError
        If no server can be reached, or they refuse.
    """
    problems: list[Exception] = []

    async def note(error: Exception) -> None:
        problems.append(error)

    client, credentials = _client_class()(), _credentials()
    try:
        await client.connect(
            [_server(each) for each in bus.split(",")],
            name=name,
            error_cb=note,
            closed_cb=on_closed,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=int(CONNECTING),
            ping_interval=int(CONNECTING),
            **credentials,
        )
    except ModuleNotFoundError as error:
        message = "FORESQL_BUS_CREDENTIALS needs nkeys: pip install 'nats-py[nkeys]'"
        raise StreamError(message) from error
    except Exception as error:  # of the library, of sockets and of TLS
        await disconnect(client)
        cause = problems[0] if problems else error
        message = f"No connection to {bus}: {str(cause) or type(cause).__name__}"
        raise StreamError(message) from error
    return client


async def disconnect(client: Client) -> None:
    """Close a connection; one that a handshake or a dead server keeps open is left behind."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING):
            await client.close()


async def listen(client: Client, subject: str, taker: Taker) -> Subscription:
    """Subscribe, and have messages brought to a function at once, in place of a queue.

    The function is called in the loop, and must not raise.
    """
    subscription = await client.subscribe(subject)
    number = subscription._id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    client.takers[number] = taker  # pyright: ignore[reportAttributeAccessIssue]
    return subscription


async def request_api(client: Client, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask JetStream something.

    Raises
    ------
    StreamError
        If it refuses.
    nats.errors.Error
        If it cannot answer now.
    """
    from nats import errors

    reply = await client.request(f"$JS.API.{subject}", json.dumps(body).encode(), timeout=ANSWERING)
    answer: dict[str, Any] = json.loads(reply.data)
    problem = answer.get("error")
    if problem is None:
        return answer
    if problem["code"] >= _UNAVAILABLE or problem.get("err_code") == _NO_CONSUMER:
        raise errors.Error(problem.get("description", ""))
    message = f"JetStream refuses {subject}: {problem.get('description')}"
    raise StreamError(message)


def _client_class() -> type[Client]:
    try:
        from nats import errors
        from nats.aio.client import Client
    except ModuleNotFoundError as error:
        message = "NATS needs nats-py: pip install 'foresql[streams]'"
        raise StreamError(message) from error

    class DirectClient(Client):
        """A client that brings messages of some subscriptions to functions, without a queue.

        To parse headers, make objects and wake tasks for each message takes twice as long as
        to read it.
        """

        def __init__(self) -> None:
            super().__init__()
            self.takers: dict[int, Taker] = {}

        async def _process_msg(
            self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
        ) -> None:
            taker = self.takers.get(sid)
            if taker is None:
                await super()._process_msg(sid, subject, reply, data, headers)
            else:
                # "NATS/1.0\r\n" begins headers, and "NATS/1.0 408 …" a status without a reply.
                # A publisher may have written the same, and some servers hand it on.
                is_status = not reply and headers and headers[8:9] == b" "
                taker(reply, data, headers if is_status else None)

        def _connect_command(self) -> bytes:
            """Send no credentials where the CA says that there must be TLS, and there is none."""
            if self.options.get("tls") and not self._server_info.get("tls_required"):
                raise errors.SecureConnRequiredError
            return super()._connect_command()

    return DirectClient


def _server(address: str) -> str:
    return address if "://" in address else f"nats://{address}"


def _credentials() -> Mapping[str, Any]:
    found = {
        "user": os.environ.get("FORESQL_BUS_USER"),
        "password": os.environ.get("FORESQL_BUS_PASSWORD"),
        "token": os.environ.get("FORESQL_BUS_TOKEN"),
        "user_credentials": os.environ.get("FORESQL_BUS_CREDENTIALS"),
    }
    authority = os.environ.get("FORESQL_BUS_CA")
    if authority:
        try:
            found["tls"] = ssl.create_default_context(cafile=authority)  # pyright: ignore[reportArgumentType]
        except OSError as error:
            message = f"FORESQL_BUS_CA: {authority} cannot be read as certificates: {error}"
            raise StreamError(message) from error
    return {name: value for name, value in found.items() if value}


class LoopThread:
    """An event loop in a thread of its own, so that connections live while others compute."""

    def __init__(self, name: str) -> None:
        """Start it."""
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, action: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Run an action beside the caller."""
        return asyncio.run_coroutine_threadsafe(action, self.loop)

    def call(self, action: Coroutine[Any, Any, _Result]) -> _Result:
        """Run an action and wait for what it gives."""
        return self.start(action).result()

    def close(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
