"""Finds out who asks, by the file of keys, which is read again when it changes."""

from __future__ import annotations

import hashlib
import logging
import ssl
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from ..errors import ForesqlError
from .access_file import ANY_SUBJECT, read_access
from .http import Refusal
from .issuers import IssuerFileError
from .tokens import TokenError, Tokens
from .watching import stamp

if TYPE_CHECKING:
    from pathlib import Path

    from .access import Principal
    from .http import Request

_LOG = logging.getLogger("foresql.serving")
_SCHEME = b"bearer "
_DOTS_OF_A_TOKEN = 2


class Identity:
    """Believes a key or a token of ``Authorization: Bearer …``, or else the TLS certificate."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises
        ------
        ForesqlError
            If it cannot be read, or is not as docs/serving.md says.
        """
        self._path = path
        self._read()
        self.is_current = True

    def _read(self) -> None:
        # Stamps are older than what is read, so a change in between is seen at the next look.
        own = stamp(self._path)
        found = read_access(self._path)
        self._seen = {path: stamp(path) for path in found.read_from} | {self._path: own}
        self._file, self._tokens = found, Tokens(found.issuers)

    @property
    def takes_certificates(self) -> bool:
        """Whether the file has certificates of clients."""
        return bool(self._file.certificates)

    def identify(self, request: Request) -> Principal:
        """Give the principal who proves to be one.

        Raises
        ------
        Refusal
            If nobody does (401).
        """
        given = request.headers.get(b"authorization")
        problem = "The request has no valid key."
        if given is None:
            if found := self._of_certificate(request):
                return found
        elif given[: len(_SCHEME)].lower() == _SCHEME:
            try:
                if found := self._of_bearer(given[len(_SCHEME) :].strip()):
                    return found
            except TokenError as error:
                problem = str(error)
        message = f"{problem} Send one as: Authorization: Bearer KEY"
        raise Refusal(HTTPStatus.UNAUTHORIZED, message, (b"www-authenticate", b"Bearer"))

    def _of_bearer(self, given: bytes) -> Principal | None:
        # The digest is looked up, not the key: how long that takes tells nothing of any key.
        principal = self._file.keys.get(hashlib.sha256(given).hexdigest())
        if principal or not self._file.issuers or given.count(b".") != _DOTS_OF_A_TOKEN:
            return principal
        issuer, subject = self._tokens.subject(given)
        found = self._file.subjects.get((issuer, subject))
        if found is not None:
            return found
        anyone = self._file.subjects.get((issuer, ANY_SUBJECT))
        return replace(anyone, name=f"{anyone.name}:{subject[:200]}") if anyone else None

    def _of_certificate(self, request: Request) -> Principal | None:
        """Read what the server's TLS has verified: ASGI's extension `tls`."""
        tls = (request.scope.get("extensions") or {}).get("tls") or {}
        chain = tls.get("client_cert_chain") or ()
        if not chain or tls.get("client_cert_error"):
            return None
        return self._file.certificates.get(_fingerprint(chain[0]))

    def reload(self) -> None:
        """Read the file again if it or an issuer's has changed; a broken one changes nothing."""
        stamps = {path: stamp(path) for path in self._seen}
        if stamps == self._seen:
            return
        try:
            self._read_with(stamps)
            self.is_current = True
            _LOG.info("Read the keys of %s again.", self._path)
        except ForesqlError as error:
            self._seen = stamps
            self.is_current = False
            _LOG.error("The keys stay as they were: %s", error)

    def _read_with(self, stamps: dict[Path, tuple[int, int, int]]) -> None:
        """Read the file; what it newly names and cannot be read is looked at from now on, too."""
        while True:
            try:
                self._read()
            except IssuerFileError as error:
                if error.file in stamps:
                    raise
                # Read again, so that this stamp too is older than what is read.
                stamps[error.file] = stamp(error.file)
            else:
                return


@lru_cache(maxsize=1_024)
def _fingerprint(certificate: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
