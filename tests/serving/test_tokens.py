"""Tokens: whose are believed, and all the ways in which one proves nothing."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from serving_process import of
from signed_tokens import AUDIENCE, ISSUER, KEYS, claims, hmac_signed, pem, token, unsigned

from foresql.errors import ForesqlError
from foresql.serving import tokens
from foresql.serving.access_file import read_access

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}
FILE = f"""
[issuers.login]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "jwks.json"

[batch]
issuer = "{ISSUER}"
subject = "service:batch"
models = {{ delay = ["predict"] }}

[staff]
issuer = "{ISSUER}"
subject = "*"
models = {{ delay = ["read"] }}
"""


def public(name):
    key, algorithm, alg = KEYS[name]
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": name, "alg": alg, "use": "sig"}


@pytest.fixture
def file(tmp_path):
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public(name) for name in KEYS]}))
    path = tmp_path / "keys.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def client(start, published, file):
    return start(published, keys=file)


@pytest.mark.parametrize("name", [*KEYS])
def test_a_token_is_believed(client, name):
    for _ in range(2):  # by its signature, and known again
        assert client.post("/predict/delay", BODY, headers=of(token(name))).status_code == 200
    assert client.get("/models/delay", headers=of(token(name))).status_code == 404


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS256"])
@pytest.mark.parametrize("named", [True, False])
def test_an_rsa_key_without_algorithm_verifies_by_any_of_the_issuers(file, alg, named):
    entry = {key: value for key, value in public("rsa").items() if key != "alg" or named}
    file.with_name("jwks.json").write_text(json.dumps({"keys": [entry]}))
    allowed = "algorithms = ['RS256', 'PS256', 'RS512']"
    file.write_text(FILE.replace('jwks = "jwks.json"', f'jwks = "jwks.json"\n{allowed}'))
    known = tokens.Tokens(read_access(file).issuers)
    bearer = jwt.encode(claims(), KEYS["rsa"][0], alg, headers={"kid": "rsa"}).encode()
    if named and alg != "RS256":
        with pytest.raises(tokens.TokenError, match="not valid"):
            known.subject(bearer)
    else:
        assert known.subject(bearer) == (ISSUER, "service:batch")
    other = jwt.encode(claims(), KEYS["rsa"][0], "RS384", headers={"kid": "rsa"}).encode()
    with pytest.raises(tokens.TokenError, match="not valid"):
        known.subject(other)


def test_any_subject_of_an_issuer(client):
    bearer = of(token(sub="someone"))
    assert client.get("/models/delay", headers=bearer).status_code == 200
    assert client.post("/predict/delay", BODY, headers=bearer).status_code == 404


def confused():
    """HS256, with the public key as the secret."""
    return hmac_signed(pem(KEYS["rsa"][0].public_key()), {"alg": "HS256", "kid": "rsa"})


def spelled(header):
    """A token with this header, and a signature of no use."""
    parts = (json.dumps(header), json.dumps(claims()), "signature")
    return ".".join(base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in parts)


def brought(member):
    """A token that brings the key along, or says where it is, which it was signed with."""
    key = rsa.generate_private_key(65537, 2048)
    own = json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "rsa"}
    value = own if member == "jwk" else "http://127.0.0.1:1/keys"
    return jwt.encode(claims(), key, "RS256", headers={"kid": "rsa", member: value})


def changed():
    head, _, signature = token().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(sub="root")).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    ("bearer", "words"),
    [
        (lambda: token(exp=int(time.time()) - 60), "has expired"),
        (lambda: token(exp=None), "not valid"),
        (lambda: token(sub=None), "not valid"),
        (lambda: token(sub=7), "not valid"),
        (lambda: token(sub="\ud800"), "not valid"),
        (lambda: token(exp=10**400), "not valid"),
        (lambda: token(aud="another"), "not valid"),
        (lambda: token(aud=None), "not valid"),
        (lambda: token(iss="https://evil.example"), "issuer is not known"),
        (lambda: token(iss=None), "issuer is not known"),
        (lambda: token(iss=""), "issuer is not known"),
        (lambda: token(nbf=int(time.time()) + 600), "not valid"),
        (lambda: token(headers={"kid": "other"}), "key is not known"),
        (lambda: token(headers={"kid": "ec"}), "not valid"),
        (lambda: token(headers={"kid": ""}), "key is not known"),
        (lambda: token(headers={"kid": "../../../../dev/null"}), "key is not known"),
        (lambda: token(headers={"kid": "rsa\0"}), "key is not known"),
        (lambda: token(headers={"kid": "rsa' or '1'='1"}), "key is not known"),
        (lambda: spelled({"alg": "RS256", "kid": ["rsa"]}), "not"),
        (lambda: spelled({"alg": "RS256", "kid": 7}), "not"),
        (lambda: spelled({"alg": "RS256"}), "key is not known"),
        (lambda: spelled({"alg": "nOnE", "kid": "rsa"}), "not valid"),
        (lambda: spelled({"alg": "", "kid": "rsa"}), "not valid"),
        (lambda: spelled({"alg": ["RS256"], "kid": "rsa"}), "not valid"),
        (lambda: spelled({"kid": "rsa"}), "not valid"),
        (lambda: spelled([]), "not valid"),
        (lambda: brought("jwk"), "not valid"),
        (lambda: brought("jku"), "not valid"),
        (lambda: brought("x5u"), "not valid"),
        (lambda: token(headers={"crit": ["exp"]}), "not valid"),
        (lambda: token(aud=["another", "else"]), "not valid"),
        (lambda: token(exp="never"), "not valid"),
        (unsigned, "not"),
        (confused, "not valid"),
        (changed, "not valid"),
        (lambda: token()[:-8], "not valid"),
        (lambda: "a.b.c", "not valid"),
        (lambda: "..", "not valid"),
        (lambda: token(more="x" * tokens.LONGEST_TOKEN), "too long"),
    ],
)
def test_what_proves_nothing(client, bearer, words):
    response = client.post("/predict/delay", BODY, headers=of(bearer()))
    assert response.status_code == 401
    assert words in response.json()["error"]
    assert client.get("/v2/health/live").status_code == 200


def test_another_key_of_the_same_name(client):
    key = rsa.generate_private_key(65537, 2048)
    forged = jwt.encode(claims(), key, "RS256", headers={"kid": "rsa"})
    assert client.post("/predict/delay", BODY, headers=of(forged)).status_code == 401


def test_a_token_that_is_known_expires_too(file, monkeypatch):
    known = tokens.Tokens(read_access(file).issuers)
    bearer = token(exp=int(time.time()) + 5).encode()
    assert known.subject(bearer) == (ISSUER, "service:batch")
    now = time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 60)
    monkeypatch.setattr(tokens.Tokens, "_verified", lambda *_: pytest.fail("asked the signature"))
    with pytest.raises(pytest.fail.Exception):
        known.subject(bearer)
    assert not known._known


def test_only_so_many_are_remembered(file, monkeypatch):
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    known = tokens.Tokens(read_access(file).issuers)
    for number in range(5):
        known.subject(token("ed", jti=str(number)).encode())
    assert len(known._known) == 3


def test_keys_are_replaced(client, file):
    bearer = of(token("rsa"))
    assert client.post("/predict/delay", BODY, headers=bearer).status_code == 200
    file.with_name("jwks.json").write_text(json.dumps({"keys": [public("ec")]}))
    client.service.keys.reload()
    assert client.post("/predict/delay", BODY, headers=bearer).status_code == 401
    assert client.post("/predict/delay", BODY, headers=of(token("ec"))).status_code == 200
    file.with_name("jwks.json").write_text("{}")
    client.service.keys.reload()
    assert not client.service.keys.is_current
    assert client.post("/predict/delay", BODY, headers=of(token("ec"))).status_code == 200


def test_a_jwks_that_comes_after_the_file_that_names_it(client, file):
    """It is looked at from the moment that it is named, whether it is not there or is broken."""
    bearer, later = of(token("rsa")), file.with_name("later.json")
    before = client.service.keys
    before.reload()
    other = FILE.replace("[issuers.login]", "[issuers.other]").partition("[batch]")[0]
    other = other.replace(ISSUER, "https://other.example.org").replace("jwks.json", "later.json")
    file.write_text(FILE + other)
    for content in (None, "{}", json.dumps({"keys": [public("ec")]})):
        if content is not None:
            later.write_text(content)
        before.reload()
        assert client.post("/predict/delay", BODY, headers=bearer).status_code == 200
    assert before.is_current
    signed = of(token("ec", iss="https://other.example.org"))
    assert "issuer is not known" not in client.post("/predict/delay", BODY, headers=signed).text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('jwks = "jwks.json"', 'jwks = "none.json"', "No such file"),
        (f'audience = "{AUDIENCE}"', "", "issuer, audience and jwks"),
        (f'audience = "{AUDIENCE}"', "audience = 1", "are texts"),
        ('jwks = "jwks.json"', 'jwks = "jwks.json"\nalgorithms = ["HS256"]', "RS256"),
        ('jwks = "jwks.json"', 'jwks = "jwks.json"\nalgorithms = ["none"]', "RS256"),
        ('jwks = "jwks.json"', 'jwks = "jwks.json"\nalgorithms = [["RS256"]]', "RS256"),
        ('subject = "*"', "", "issuer and subject"),
        ('subject = "*"', 'subject = ""', "are texts"),
        ('subject = "*"', 'subject = "service:batch"', "make one for each"),
        (f'[staff]\nissuer = "{ISSUER}"', '[staff]\nissuer = "https://x"', "no [issuers.…]"),
        ('subject = "*"', f'subject = "*"\nsha256 = "{"0" * 64}"', "it has one of"),
    ],
)
def test_files_that_are_wrong(file, old, new, words):
    assert old in FILE
    file.write_text(FILE.replace(old, new))
    with pytest.raises(ForesqlError) as caught:
        read_access(file)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        json.loads(RSAAlgorithm.to_jwk(KEYS["rsa"][0])),
        {"kty": "RSA"},
        {"kty": "RSA", "n": 1, "e": 2},
        {"use": "enc"},
        "text",
    ],
)
def test_a_jwks_holds_public_keys_alone(file, entry):
    file.with_name("jwks.json").write_text(json.dumps({"keys": [entry]}))
    with pytest.raises(ForesqlError) as caught:
        read_access(file)
    assert "jwks.json" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
