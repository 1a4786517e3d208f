"""Bearer tokens (JWT): what of a token is checked, and who it proves to be asking."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .issuers import Issuer

LONGEST_TOKEN = 8_192
"""Bytes. Longer ones are refused unread."""

REMEMBERED = 10_000
"""How many tokens that were verified are known again without their signature."""

LEEWAY_SECONDS = 30.0
"""By how much the clocks of issuer and server may differ."""


class TokenError(Exception):
    """A token that proves nothing; the message may be shown to who sent it."""


class Tokens:
    """Verifies tokens, and knows those again that it has verified until they expire."""

    def __init__(self, issuers: Mapping[str, Issuer]) -> None:
        """Begin with nothing remembered."""
        self._issuers = issuers
        self._known: dict[bytes, tuple[tuple[str, str], float]] = {}

    def subject(self, token: bytes) -> tuple[str, str]:
        """Give issuer and subject of a token.

        Raises
        ------
        TokenError
            If it is no token of an issuer, was changed, has expired, or is meant for others.
        """
        digest = hashlib.sha256(token).digest()
        known = self._known.get(digest)
        if known is not None:
            if time.time() < known[1]:
                return known[0]
            del self._known[digest]
        claims = self._verified(token)
        subject, until = _subject(claims)
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = subject, until
        return subject

    def _verified(self, token: bytes) -> Mapping[str, Any]:
        import jwt

        if len(token) > LONGEST_TOKEN:
            raise TokenError("The token is too long.")
        try:
            header = jwt.get_unverified_header(token)
            named = jwt.decode(token, options={"verify_signature": False}).get("iss")
            issuer = self._issuers.get(named) if isinstance(named, str) else None
            if issuer is None:
                raise TokenError("The token's issuer is not known here.")
            return jwt.decode(
                token,
                _key(issuer, header.get("kid")),
                algorithms=list(issuer.algorithms),
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenError("The token has expired.") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenError("The token is not valid here.") from error


def _subject(claims: Mapping[str, Any]) -> tuple[tuple[str, str], float]:
    """Give issuer and subject, and until when; refuse what cannot be counted or written down."""
    issuer, subject = str(claims["iss"]), str(claims["sub"])
    try:
        subject.encode()
        return (issuer, subject), float(claims["exp"])
    except (UnicodeEncodeError, OverflowError) as error:
        raise TokenError("The token is not valid here.") from error


def _key(issuer: Issuer, name: object) -> Any:
    if len(issuer.keys) == 1 and None in {name, issuer.keys[0].name}:
        return issuer.keys[0].key
    for key in issuer.keys:
        if name is not None and key.name == name:
            return key.key
    raise TokenError("The token's key is not known here.")
