"""The gRPC server, beside the HTTP one in the same process and event loop."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError

from ..errors import ForesqlError
from .access import OnModel
from .gate import authorise, note, recognise, refusal_of
from .grpc_messages import SERVICE, message_class
from .grpc_methods import METHODS
from .http import Request, bad
from .tls import OwnCertificate

if TYPE_CHECKING:
    from .grpc_methods import Method
    from .service import Service
    from .settings import Tls

_CODES = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.UNPROCESSABLE_ENTITY: grpc.StatusCode.FAILED_PRECONDITION,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


_GIVEN_UP = 499
"""What is noted of a call whose client did not wait for the answer, as proxies do it."""


class GrpcServer:
    """Answers the methods of the Open Inference Protocol. Belongs to one event loop."""

    def __init__(
        self,
        service: Service,
        host: str,
        port: int,
        tls: Tls | None = None,
        *,
        is_shared: bool = False,
    ) -> None:
        """Listen to the address; nothing is answered before :meth:`start`.

        ``is_shared``: other workers of the same supervisor, which holds the port, listen to it too.

        Raises
        ------
        ForesqlError
            If it cannot be listened to.
        """
        limits = service.settings.limits
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.body_bytes),
                # A port that another process has is an error; a supervisor has made sure of that.
                ("grpc.so_reuseport", int(is_shared)),
            ],
            maximum_concurrent_rpcs=limits.requests,
        )
        handlers = {method.name: _handler(method, service) for method in METHODS}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, handlers),)
        )
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, _credentials(tls))
        except RuntimeError as error:
            message = f"{address} cannot be listened to: is it in use, and is it this machine's?"
            raise ForesqlError(message) from error

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Take no new call, and end when all are answered, or after ``grace`` seconds."""
        await self._server.stop(grace)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    """Read the files; gRPC can demand clients' certificates, and not merely ask for them."""
    own = OwnCertificate(tls)
    authority = None if tls.client_authority is None else tls.client_authority.read_bytes()

    def configuration() -> grpc.ServerCertificateConfiguration:
        pairs = [(tls.key.read_bytes(), tls.certificate.read_bytes())]
        return grpc.ssl_server_certificate_configuration(pairs, authority)

    return grpc.dynamic_ssl_server_credentials(
        configuration(),
        lambda: own.renew(configuration),  # pyright: ignore[reportArgumentType] - None: no change
        require_client_authentication=authority is not None,
    )


def _handler(method: Method, service: Service) -> grpc.RpcMethodHandler[Any, Any]:
    path = f"/{SERVICE}/{method.name}"

    async def answer(content: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        started = perf_counter()
        service.in_flight += 1
        request = _request(path, context)
        try:
            recognise(method.decision, request, service)
            message = _read(method, content)
            if isinstance(method.decision, OnModel):
                request.parameters = _parameters(method, message)
            authorise(method.decision, request, service)
            response = await method.handler(message, request, service)
        except asyncio.CancelledError:
            note(request, service, path, _GIVEN_UP, perf_counter() - started)
            raise
        except Exception as error:  # noqa: BLE001 - the client gets an answer, the log the reason
            refusal = refusal_of(error, path)
            note(request, service, path, refusal.status, perf_counter() - started)
            code = _CODES.get(HTTPStatus(refusal.status), grpc.StatusCode.INTERNAL)
            trailing = tuple((name.decode(), value.decode()) for name, value in refusal.headers)
            await context.abort(code, str(refusal), trailing)
        else:
            note(request, service, path, HTTPStatus.OK, perf_counter() - started)
            return response
        finally:
            service.in_flight -= 1

    return grpc.unary_unary_rpc_method_handler(
        answer,
        response_serializer=message_class(f"{method.name}Response").SerializeToString,
    )


def _read(method: Method, content: bytes) -> Any:
    """Read a call's message: here, since gRPC reads it before anybody knows who sent it."""
    try:
        return message_class(f"{method.name}Request").FromString(content)
    except DecodeError as error:
        raise bad(f"It is no message {method.name}Request.") from error


def _parameters(method: Method, message: Any) -> dict[str, str]:
    found = {"model": getattr(message, method.model)}
    version = getattr(message, method.version)
    return found | ({"version": version} if version else {})


def _request(path: str, context: grpc.aio.ServicerContext[Any, Any]) -> Request:
    """Give what authorisation looks at, as HTTP would have it."""
    metadata = context.invocation_metadata() or ()
    headers = [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in metadata
    ]
    scope: dict[str, Any] = {
        "type": "grpc",
        "method": "POST",
        "path": path,
        "headers": headers,
        "client": _client(context.peer()),
    }
    chain = context.auth_context().get("x509_pem_cert")
    if chain:
        scope["extensions"] = {"tls": {"client_cert_chain": [each.decode() for each in chain]}}
    return Request(scope, _no_body)


def _client(peer: str) -> tuple[str, int] | None:
    """Read ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``; None for what has no address."""
    kind, _, address = unquote(peer).partition(":")
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if kind in {"ipv4", "ipv6"} and port.isdigit() else None


async def _no_body() -> Any:
    message = "A call of gRPC has its message, and no body to receive."
    raise RuntimeError(message)
