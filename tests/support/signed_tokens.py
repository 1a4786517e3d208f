"""Tokens of an issuer: rightly signed, forged, and not signed at all."""

import base64
import hashlib
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example.org", "foresql"
KEYS = {
    "rsa": (rsa.generate_private_key(65537, 2048), RSAAlgorithm, "RS256"),
    "ec": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm, "ES256"),
    "ed": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm, "EdDSA"),
}


def claims(**others):
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "service:batch", "exp": now + 600, "iat": now}
    return {name: value for name, value in (whole | others).items() if value is not None}


def token(name="rsa", *, headers=None, **others):
    key, _, algorithm = KEYS[name]
    return jwt.encode(claims(**others), key, algorithm, headers={"kid": name} | (headers or {}))


def part(value):
    """Write a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(**others):
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(**others))}."


def pem(key):
    """Write a public key."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def hmac_signed(secret, header, **others):
    """Sign by HS256 with any bytes, also those that a library would refuse as a secret."""
    text = f"{part(header)}.{part(claims(**others))}"
    digest = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
