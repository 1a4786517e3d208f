"""Whose tokens are believed, and the keys that verify them: a JWKS, a public key, or a secret."""

from __future__ import annotations

import json
import os
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
SECRETS_ALGORITHM = "HS256"
"""For a secret that both sides share, and nothing else is."""

LEAST_SECRET, LEAST_DIFFERENT = 32, 8
"""Bytes of a secret: as many as HS256's digest has (RFC 7518, section 3.2), and not all alike."""

LEAST_RSA_BITS = 2_048
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1"}
_ALGORITHM_OF = {
    "jwks": "algorithms",
    "public_key": "algorithm",
    "secret_file": "algorithm",
    "secret_variable": "algorithm",
}
"""What an issuer's keys can be, and the member that says what may sign."""


class IssuerFileError(ForesqlError):
    """A file of an issuer's keys that is not there, or holds none to verify with."""

    def __init__(self, message: str, file: Path) -> None:
        """Say what is wrong, and which file it is."""
        super().__init__(message)
        self.file = file


class VerifyingKey(NamedTuple):
    """What verifies a token: a key of a JWKS with its ``kid``, or an issuer's only key.

    ``key`` is a ``PyJWK``, which is bound to one algorithm, or a bare key for those of the issuer:
    an RSA key whose entry in the JWKS names none, or the static key, whose algorithm is one alone.
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
        What it may be signed with, whatever the token says.
    keys
        What verifies; a token names its own by ``kid``, unless there is one alone.
    file
        Where the keys were read; None if it was an environment variable.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    keys: tuple[VerifyingKey, ...]
    file: Path | None


def read_issuer(path: Path, entry: str, table: Any) -> Issuer:
    """Read an issuer of the file of keys, which stands there as ``[entry]``, and its keys.

    Raises
    ------
    ForesqlError
        If it is not as docs/serving.md says, or PyJWT is not installed.
    """
    kinds = sorted(set(table) & set(_ALGORITHM_OF)) if isinstance(table, dict) else []
    needed = {"issuer", "audience", *kinds}
    if len(kinds) != 1 or not needed <= set(table) <= needed | {_ALGORITHM_OF[kinds[0]]}:
        raise wrong(
            path,
            entry,
            "it has issuer, audience and jwks, and algorithms if they differ; or in the place of "
            "jwks one of public_key, secret_file and secret_variable, and its algorithm",
        )
    [kind] = kinds
    issuer, audience, source = table["issuer"], table["audience"], table[kind]
    if not all(isinstance(text, str) and text for text in (issuer, audience, source)):
        raise wrong(path, entry, f"issuer, audience and {kind} are texts")
    if kind == "secret_variable":
        algorithms, keys = _secret(path, entry, table, source, os.environ.get(source))
        return Issuer(issuer, audience, algorithms, keys, None)
    read = {"jwks": _jwks, "public_key": _public_key, "secret_file": _secret_file}[kind]
    file = path.parent / source
    try:
        algorithms, keys = read(path, entry, table, file)
    except ForesqlError as error:
        raise IssuerFileError(str(error), file) from error
    return Issuer(issuer, audience, algorithms, keys, file)


_Keys = tuple[tuple[str, ...], tuple[VerifyingKey, ...]]


def _jwks(path: Path, entry: str, table: Mapping[str, Any], jwks: Path) -> _Keys:
    algorithms = table.get("algorithms", list(DEFAULT_ALGORITHMS))
    is_known = isinstance(algorithms, list) and all(each in ALGORITHMS for each in algorithms)
    if not is_known or not algorithms:
        raise wrong(path, entry, f"algorithms is a list of these: {', '.join(ALGORITHMS)}")
    _check_installed(path, entry)
    from jwt import PyJWK, PyJWTError

    try:
        entries = json.loads(jwks.read_text("utf-8"))["keys"]
        used = [each for each in entries if each.get("use", "sig") == "sig"]
        if any(each["kty"] == "oct" or "d" in each for each in used):
            raise wrong(path, entry, f"{jwks} holds a secret key; only public ones belong there")
        keys = tuple(_of_jwks(each, PyJWK(each)) for each in used)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, PyJWTError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JWKS of public keys"
        raise wrong(path, entry, f"{jwks} cannot be read: {reason}") from error
    if not keys:
        raise wrong(path, entry, f"{jwks} holds no key that signs")
    return tuple(algorithms), keys


def _of_jwks(given: Mapping[str, Any], key: PyJWK) -> VerifyingKey:
    is_bare = given["kty"] == "RSA" and not given.get("alg")
    return VerifyingKey(key.key_id, key.key if is_bare else key)


def _public_key(path: Path, entry: str, table: Mapping[str, Any], file: Path) -> _Keys:
    algorithm = table.get("algorithm")
    if algorithm not in ALGORITHMS:
        raise wrong(path, entry, f"the algorithm of a public_key is one of {', '.join(ALGORITHMS)}")
    _check_installed(path, entry)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _content(path, entry, file)
    if b"PRIVATE KEY" in content:
        raise wrong(path, entry, f"{file} holds a secret key; only a public one belongs there")
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        problem = f"{file} is no public key in PEM, which begins with -----BEGIN PUBLIC KEY-----"
        raise wrong(path, entry, problem) from error
    if not _fits(key, algorithm):
        raise wrong(path, entry, f"{file} holds no key for {algorithm}{_what_fits(algorithm)}")
    return (algorithm,), (VerifyingKey(None, key),)


def _fits(key: Any, algorithm: str) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    match algorithm[:2]:
        case "RS" | "PS":
            return isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS
        case "ES":
            is_elliptic = isinstance(key, ec.EllipticCurvePublicKey)
            return is_elliptic and key.curve.name == _CURVES[algorithm]
        case _:
            return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def _what_fits(algorithm: str) -> str:
    if algorithm[:2] in {"RS", "PS"}:
        return f": RSA of at least {LEAST_RSA_BITS:,} bits"
    return f": one on {_CURVES[algorithm]}" if algorithm in _CURVES else ": Ed25519 or Ed448"


def _secret_file(path: Path, entry: str, table: Mapping[str, Any], file: Path) -> _Keys:
    content = _content(path, entry, file)
    # An editor ends the last line; nobody means that end to be of the secret.
    text = content.removesuffix(b"\n").removesuffix(b"\r")
    return _secret(path, entry, table, str(file), text)


def _secret(
    path: Path, entry: str, table: Mapping[str, Any], where: str, given: bytes | str | None
) -> _Keys:
    """Check a secret; no message holds any of it."""
    if table.get("algorithm") != SECRETS_ALGORITHM:
        raise wrong(path, entry, f"the algorithm of a secret is {SECRETS_ALGORITHM!r}")
    if given is None:  # which is not shown: somebody may have put the secret itself there
        raise wrong(path, entry, "secret_variable names no environment variable that is set")
    _check_installed(path, entry)
    from jwt import InvalidKeyError
    from jwt.algorithms import HMACAlgorithm

    secret = given if isinstance(given, bytes) else given.encode("utf-8", "surrogateescape")
    if len(secret) < LEAST_SECRET:
        problem = f"{where} has {len(secret)} bytes, and a secret at least {LEAST_SECRET}"
        raise wrong(path, entry, problem)
    if len(set(secret)) < LEAST_DIFFERENT:
        problem = f"{where} has {len(set(secret))} different bytes, and a secret is random"
        raise wrong(path, entry, problem)
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError as error:
        # A public key as the secret would let everybody sign who knows it.
        problem = f"{where} holds a key or certificate, and a secret is random bytes"
        raise wrong(path, entry, problem) from error
    return (SECRETS_ALGORITHM,), (VerifyingKey(None, secret),)


def _content(path: Path, entry: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:  # a NUL in its name
        reason = error.strerror if isinstance(error, OSError) else error
        raise wrong(path, entry, f"{file} cannot be read: {reason}") from error


def _check_installed(path: Path, entry: str) -> None:
    try:
        import jwt
    except ImportError as error:
        message = f"Tokens need PyJWT: pip install 'foresql[tokens]' ({path}, [{entry}])"
        raise ForesqlError(message) from error
    del jwt


def wrong(path: Path, entry: str, problem: str) -> ForesqlError:
    """Say what is wrong in the file of keys, under ``[entry]``."""
    return ForesqlError(f"The file of keys {path} is wrong in [{entry}]: {problem}.")
