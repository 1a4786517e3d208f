"""TLS: the server's certificate, and those of clients that it verifies."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ForesqlError
from .connections import Connection
from .watching import stamp

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .settings import Tls

Taken = TypeVar("Taken")
_LOG = logging.getLogger("foresql.serving")


def tls_options(tls: Tls) -> dict[str, Any]:
    """Give uvicorn's options, after trying whether the files can be used.

    A client's certificate is asked for and not demanded: a request without one may carry a key.

    Raises
    ------
    ForesqlError
        If a file cannot be read, or does not fit to the others.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_authority is not None:
            context.load_verify_locations(tls.client_authority)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error
        files = [tls.certificate, tls.key, tls.client_authority]
        named = ", ".join(str(path) for path in files if path is not None)
        raise ForesqlError(f"TLS cannot begin with {named}: {reason}.") from error
    options: dict[str, Any] = {
        "ssl_certfile": tls.certificate,
        "ssl_keyfile": tls.key,
        # Earlier releases of uvicorn choose those of TLS 1.0, some of which encrypt nothing.
        "ssl_ciphers": ":".join(each["name"] for each in context.get_ciphers()),
    }
    if tls.client_authority is not None:
        options["ssl_ca_certs"] = str(tls.client_authority)
        options["ssl_cert_reqs"] = ssl.CERT_OPTIONAL
        options["http"] = CertificateProtocol
    return options


class OwnCertificate:
    """The server's certificate and key, which may be replaced while it runs."""

    def __init__(self, tls: Tls) -> None:
        """Begin with the files as they are."""
        self._tls = tls
        self._seen: tuple[object, ...] = self._stamps()

    def renew(self, take: Callable[[], Taken]) -> Taken | None:
        """Let the server take the files, if they have changed and fit to each other.

        While they do not, the certificate stays the one that it was.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return None
        try:
            self._seen = stamps
            self.load_into(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._seen = ()  # should they change this moment, they are looked at again
            taken = take()
            self._seen = stamps
        except OSError as error:
            _LOG.error("The certificate stays as it was: %s", error.strerror or error)
            return None
        _LOG.info("Read the certificate %s again.", self._tls.certificate)
        return taken

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let new connections of a context have the certificate."""
        context.load_cert_chain(self._tls.certificate, self._tls.key)

    def _stamps(self) -> tuple[object, ...]:
        return stamp(self._tls.certificate), stamp(self._tls.key)


class CertificateProtocol(Connection):
    """A connection with ASGI's extension ``tls``: the certificate that TLS has verified."""

    _tls: dict[object, object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the certificate of the connection."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        found = connection.getpeercert(binary_form=True) if connection else None
        if found:
            self._tls = {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(found)]}

    def on_message_begin(self) -> None:
        """Put it into the request's scope."""
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": self._tls}
