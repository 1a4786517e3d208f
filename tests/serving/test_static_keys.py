"""Tokens of an issuer with one key in a file: a public key or a secret, by the file's algorithm."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from serving_process import of
from signed_tokens import AUDIENCE, ISSUER, KEYS, claims, hmac_signed, pem, token, unsigned

from foresql.errors import ForesqlError
from foresql.serving import tokens
from foresql.serving.access_file import read_access

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}
SECRET = b"a secret of more than 32 bytes, which both share"
FILE = f"""
[issuers.jobs]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
KEY

[batch]
issuer = "{ISSUER}"
subject = "service:batch"
models = {{ delay = ["predict"] }}
"""
SMALL_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
P384 = ec.generate_private_key(ec.SECP384R1())


def in_der(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def private(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def write(tmp_path):
    """Write the file of keys, and the file that it names."""

    def to(key, content=None):
        if content is not None:
            (tmp_path / "key").write_bytes(content)
        path = tmp_path / "keys.toml"
        path.write_text(FILE.replace("KEY", key))
        return path

    return to


def public(name):
    return f"public_key = 'key'\nalgorithm = '{KEYS[name][2]}'", pem(KEYS[name][0].public_key())


BY_FILE = "secret_file = 'key'\nalgorithm = 'HS256'"
BY_VARIABLE = "secret_variable = 'JOBS_SECRET'\nalgorithm = 'HS256'"


@pytest.mark.parametrize("name", [*KEYS])
@pytest.mark.parametrize("kid", ["any", None])
def test_a_public_key_verifies(write, name, kid):
    """The key is one alone, so what the issuer calls it does not matter."""
    known = tokens.Tokens(read_access(write(*public(name))).issuers)
    bearer = jwt.encode(claims(), KEYS[name][0], KEYS[name][2], headers=kid and {"kid": kid})
    assert known.subject(bearer.encode()) == (ISSUER, "service:batch")
    other = {"rsa": "ec", "ec": "ed", "ed": "rsa"}[name]
    with pytest.raises(tokens.TokenError, match="not valid"):
        known.subject(token(other).encode())


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_secret_verifies(write, monkeypatch, end):
    bearer = jwt.encode(claims(), SECRET, "HS256").encode()
    in_file = read_access(write(BY_FILE, SECRET + end))
    monkeypatch.setenv("JOBS_SECRET", SECRET.decode())
    in_variable = read_access(write(BY_VARIABLE))
    for found in (in_file, in_variable):
        assert tokens.Tokens(found.issuers).subject(bearer) == (ISSUER, "service:batch")


def test_a_server_believes_and_follows_its_file(start, published, write):
    path = write(BY_FILE, SECRET)
    client = start(published, keys=path)
    bearer = of(jwt.encode(claims(), SECRET, "HS256"))
    assert client.post("/predict/delay", BODY, headers=bearer).status_code == 200
    path.with_name("key").write_bytes(b"another secret, which is as long as the first")
    client.service.keys.reload()
    assert client.post("/predict/delay", BODY, headers=bearer).status_code == 401
    path.with_name("key").write_bytes(b"short")
    client.service.keys.reload()
    assert not client.service.keys.is_current


def of_rsa(**others):
    return token(**others)


def of_secret(**others):
    return jwt.encode(claims(**others), SECRET, "HS256")


KINDS = {
    "public key": (of_rsa, *public("rsa")),
    "secret": (of_secret, BY_FILE, SECRET),
}


@pytest.mark.parametrize("kind", [*KINDS])
def test_what_proves_nothing(start, published, write, kind):
    """Whatever the token says of its algorithm; a public key is no secret."""
    signed, key, content = KINDS[kind]
    client = start(published, keys=write(key, content))
    rsa_public, header = KEYS["rsa"][0].public_key(), {"alg": "HS256", "typ": "JWT"}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        longer = jwt.encode(claims(), SECRET, "HS512")
    wrong = {
        unsigned(): "not valid",
        hmac_signed(pem(rsa_public), header): "not valid",
        hmac_signed(pem(rsa_public).rstrip(), header): "not valid",
        hmac_signed(b"", header): "not valid",
        hmac_signed(SECRET + b"\n", header): "not valid",
        longer: "not valid",
        jwt.encode(claims(), KEYS["rsa"][0], "RS512"): "not valid",
        jwt.encode(claims(), rsa.generate_private_key(65537, 2048), "RS256"): "not valid",
        signed(exp=int(time.time()) - 60): "has expired",
        signed(exp=None): "not valid",
        signed(aud="another"): "not valid",
        signed(aud=None): "not valid",
        signed(nbf=int(time.time()) + 600): "not valid",
        signed(iss="https://evil.example"): "issuer is not known",
        signed()[:-8]: "not valid",
    }
    for bearer, words in wrong.items():
        response = client.post("/predict/delay", BODY, headers=of(bearer))
        assert response.status_code == 401, bearer
        assert words in response.json()["error"], bearer
    assert client.post("/predict/delay", BODY, headers=of(signed())).status_code == 200


RSA_PEM = pem(KEYS["rsa"][0].public_key())
IN_PEM = "public_key = 'key'\nalgorithm = "


@pytest.mark.parametrize(
    ("key", "content", "words"),
    [
        ("public_key = 'key'", RSA_PEM, "the algorithm of a public_key is one of RS256"),
        (IN_PEM + "'HS256'", RSA_PEM, "the algorithm of a public_key is one of RS256"),
        (IN_PEM + "'none'", RSA_PEM, "the algorithm of a public_key is one of RS256"),
        (IN_PEM + "['RS256']", RSA_PEM, "the algorithm of a public_key is one of RS256"),
        (IN_PEM + "'ES256'", RSA_PEM, "no key for ES256: one on secp256r1"),
        (IN_PEM + "'ES256'", pem(P384.public_key()), "no key for ES256: one on secp256r1"),
        (IN_PEM + "'EdDSA'", RSA_PEM, "no key for EdDSA: Ed25519 or Ed448"),
        (
            IN_PEM + "'EdDSA'",
            pem(x25519.X25519PrivateKey.generate().public_key()),
            "no key for EdDSA",
        ),
        (
            IN_PEM + "'RS256'",
            pem(ed25519.Ed25519PrivateKey.generate().public_key()),
            "no key for RS256",
        ),
        (IN_PEM + "'RS256'", pem(SMALL_RSA.public_key()), "RSA of at least 2,048 bits"),
        (IN_PEM + "'RS256'", private(KEYS["rsa"][0]), "holds a secret key"),
        (IN_PEM + "'RS256'", b"nothing of the kind", "is no public key in PEM"),
        (IN_PEM + "'RS256'", None, "No such file"),
        (IN_PEM + "'RS256'\nalgorithms = ['RS256']", RSA_PEM, "it has issuer, audience and jwks"),
        ("public_key = 7\nalgorithm = 'RS256'", None, "issuer, audience and public_key are texts"),
        ("public_key = 'key'\njwks = 'key'", RSA_PEM, "it has issuer, audience and jwks"),
        (BY_FILE, RSA_PEM, "a key or certificate"),
        (BY_FILE, in_der(P384.public_key()), "a key or certificate"),
        (BY_FILE, jwt.algorithms.ECAlgorithm.to_jwk(P384.public_key()).encode(), "a key or"),
        (BY_FILE, b"0123456" * 5, "has 7 different bytes, and a secret is random"),
        (BY_FILE.replace("'key'", r'"k\u0000y"'), None, "embedded null byte"),
        (BY_FILE, SECRET[:31], "has 31 bytes, and a secret at least 32"),
        (BY_FILE, SECRET[:31] + b"\n", "has 31 bytes, and a secret at least 32"),
        (BY_FILE, None, "No such file"),
        ("secret_file = 'key'", SECRET, "the algorithm of a secret is 'HS256'"),
        (BY_FILE.replace("HS256", "RS256"), SECRET, "the algorithm of a secret is 'HS256'"),
        (BY_VARIABLE, None, "names no environment variable that is set"),
    ],
)
def test_files_that_are_wrong(write, monkeypatch, key, content, words):
    monkeypatch.delenv("JOBS_SECRET", raising=False)
    with pytest.raises(ForesqlError) as caught:
        read_access(write(key, content))
    said = str(caught.value)
    assert words in said
    assert "[issuers.jobs]" in said
    assert "a secret of" not in said


def test_a_secret_in_the_wrong_place_is_not_shown(write):
    with pytest.raises(ForesqlError) as caught:
        read_access(write(f"secret_variable = '{SECRET.decode()}'\nalgorithm = 'HS256'"))
    assert SECRET.decode() not in str(caught.value)
