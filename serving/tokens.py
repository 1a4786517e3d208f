"""Bearer tokens (JWT): whose are believed, and what of a token is checked."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jwt import PyJWK

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""All sign with a private key that never comes here: what verifies a token can forge none."""

DEFAULT_ALGORITHMS = ("RS256", "ES256", "EdDSA")
LONGEST_TOKEN = 8_192
"""Bytes. Longer ones are refused unread."""

REMEMBERED = 10_000
"""How many tokens that were verified are known again without their signature."""

LEEWAY_SECONDS = 30.0
"""By how much the clocks of issuer and server may differ."""

_MEMBERS = {"issuer", "audience", "jwks", "algorithms"}


class TokenError(Exception):
    """A token that proves nothing; the message may be shown to who sent it."""


class JwksError(ForesqlError):
    """A JWKS that is not there, or holds no keys to verify with."""

    def __init__(self, message: str, jwks: Path) -> None:
        """Say what is wrong, and which file it is."""
        super().__init__(message)
        self.jwks = jwks


class PublicKey(NamedTuple):
    """A key of a JWKS: its ``kid``, and what verifies with it.

    ``key`` is a ``PyJWK``, which is bound to one algorithm; an RSA key whose entry names none is
    the bare key, for any of the issuer's algorithms.
    """

    name: str | None
    key: Any


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens that are believed.

    Attributes
    ----------
    issuer, audience
        What ``iss`` and ``aud`` of a token must be.
    algorithms
        What it may be signed with.
    keys
        The public keys; a token names its own by ``kid``, unless there is one alone.
    jwks
        Where the keys were read.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    jwks: Path


def read_issuer(path: Path, entry: str, table: Any) -> Issuer:
    """Read an issuer of the file of keys, which stands there as ``[entry]``, and its JWKS.

    Raises
    ------
    ForesqlError
        If it is not as docs/serving.md says, or PyJWT is not installed.
    """
    if not isinstance(table, dict) or not {"issuer", "audience", "jwks"} <= set(table) <= _MEMBERS:
        raise wrong(path, entry, "it has issuer, audience and jwks, and algorithms if they differ")
    texts = [table["issuer"], table["audience"], table["jwks"]]
    if not all(isinstance(text, str) and text for text in texts):
        raise wrong(path, entry, "issuer, audience and jwks are texts")
    algorithms = table.get("algorithms", list(DEFAULT_ALGORITHMS))
    is_known = isinstance(algorithms, list) and all(each in ALGORITHMS for each in algorithms)
    if not is_known or not algorithms:
        raise wrong(path, entry, f"algorithms is a list of these: {', '.join(ALGORITHMS)}")
    jwks = path.parent / table["jwks"]
    try:
        keys = _read_jwks(path, entry, jwks)
    except ForesqlError as error:
        raise JwksError(str(error), jwks) from error
    return Issuer(texts[0], texts[1], tuple(algorithms), keys, jwks)


def _read_jwks(path: Path, entry: str, jwks: Path) -> tuple[PublicKey, ...]:
    try:
        from jwt import PyJWK, PyJWTError
    except ImportError as error:
        message = f"Tokens need PyJWT: pip install 'foresql[tokens]' ({path}, [{entry}])"
        raise ForesqlError(message) from error
    try:
        entries = json.loads(jwks.read_text("utf-8"))["keys"]
        used = [each for each in entries if each.get("use", "sig") == "sig"]
        if any(each["kty"] == "oct" or "d" in each for each in used):
            raise wrong(path, entry, f"{jwks} holds a secret key; only public ones belong there")
        keys = tuple(_public_key(each, PyJWK(each)) for each in used)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, PyJWTError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JWKS of public keys"
        raise wrong(path, entry, f"{jwks} cannot be read: {reason}") from error
    if not keys:
        raise wrong(path, entry, f"{jwks} holds no key that signs")
    return keys


def _public_key(given: Mapping[str, Any], key: PyJWK) -> PublicKey:
    is_bare = given["kty"] == "RSA" and not given.get("alg")
    return PublicKey(key.key_id, key.key if is_bare else key)


def wrong(path: Path, entry: str, problem: str) -> ForesqlError:
    """Say what is wrong in the file of keys, under ``[entry]``."""
    return ForesqlError(f"The file of keys {path} is wrong in [{entry}]: {problem}.")


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
    if name is None and len(issuer.keys) == 1:
        return issuer.keys[0].key
    for key in issuer.keys:
        if name is not None and key.name == name:
            return key.key
    raise TokenError("The token's key is not known here.")
