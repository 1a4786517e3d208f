"""HTTPS, and clients that prove by a certificate who they are."""

import signal
import ssl
import time

import grpc
import httpx
import pytest
from certificates import certificate
from click.testing import CliRunner
from serving_process import call, sha256

from foresql.cli import main
from foresql.serving.settings import Tls
from foresql.serving.tls import tls_options

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    (authority, _, _), signer = certificate(folder, "authority")
    (_, _, _), stranger = certificate(folder, "stranger")
    found = {"authority": authority}
    for title, signed_by in (
        ("server", signer),
        ("dashboard", signer),
        ("nobody", signer),
        ("forged", stranger),
    ):
        found[title], _ = certificate(folder, title, signed_by)
    digest = found["dashboard"][2].upper()
    spelled = ":".join(digest[i : i + 2] for i in range(0, 64, 2))  # as openssl prints it
    keys = folder / "keys.toml"
    keys.write_text(
        f'[dashboard]\ncertificate = "{spelled}"\nmodels = {{ delay = ["predict"] }}\n'
        f'[person]\nsha256 = "{sha256("key")}"\n'
        'models = { delay = ["predict"] }\n'
    )
    return found | {"keys": keys}


def asked(url, files, title=None, **headers):
    context = ssl.create_default_context(cafile=str(files["authority"]))
    if title:
        context.load_cert_chain(*files[title][:2])
    with httpx.Client(verify=context) as client:
        url = url.replace("127.0.0.1", "localhost")
        return client.post(f"{url}/predict/delay", json=BODY, headers=headers)


def test_certificates(serve, published, files):
    pem, key, _ = files["server"]
    options = ("--keys", files["keys"], "--tls", pem, key, "--client-ca", files["authority"])
    server = serve(published, *options)
    assert server.url.startswith("https://")
    assert asked(server.url, files, "dashboard").status_code == 200
    assert asked(server.url, files).status_code == 401
    assert asked(server.url, files, "nobody").status_code == 401
    assert asked(server.url, files, authorization="Bearer key").status_code == 200
    # A key that is wrong is not made good by a certificate.
    assert asked(server.url, files, "dashboard", authorization="Bearer x").status_code == 401
    with pytest.raises(httpx.TransportError):
        asked(server.url, files, "forged")
    assert asked(server.url, files, "dashboard").status_code == 200
    assert server.stop(signal.SIGTERM) == 0


def test_https_alone(serve, published, files):
    server = serve(published, "--tls", *files["server"][:2])
    assert asked(server.url, files).status_code == 200
    # No authority: a certificate proves nothing, and is not asked for.
    assert asked(server.url, files, "dashboard").status_code == 200


def test_what_encrypts_is_chosen_here(files):
    """Not by uvicorn, whose earlier releases take those of TLS 1.0."""
    options = tls_options(Tls(*files["server"][:2]))
    assert options["ssl_ciphers"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(options["ssl_ciphers"])
    names = [each["name"] for each in context.get_ciphers()]
    assert any("GCM" in each for each in names)
    assert not any("NULL" in each or each.endswith("-SHA") for each in names)


def live(server, files, title=None):
    """Ask by gRPC whether the server lives, with a certificate or without."""
    pem, key = (path.read_bytes() for path in files[title][:2]) if title else (None, None)
    credentials = grpc.ssl_channel_credentials(files["authority"].read_bytes(), key, pem)
    address = server.announced["grpc"].replace("127.0.0.1", "localhost")
    with grpc.secure_channel(address, credentials) as channel:
        try:
            return call(channel, "ModelReady", name="delay").ready
        except grpc.RpcError as error:
            return error.code()


def test_grpc(serve, published, files):
    tls = ("--grpc-port", "0", "--tls", *files["server"][:2])
    assert live(serve(published, *tls), files) is True
    server = serve(published, *tls, "--keys", files["keys"], "--client-ca", files["authority"])
    assert live(server, files, "dashboard") is grpc.StatusCode.NOT_FOUND  # may predict, not read
    assert live(server, files, "nobody") is grpc.StatusCode.UNAUTHENTICATED
    assert live(server, files) is grpc.StatusCode.UNAVAILABLE  # it demands a certificate


def seen(address):
    """Connect, and give the certificate that the server shows."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=20)


def test_a_new_certificate_is_shown(serve, published, files, tmp_path):
    """New connections get it, over HTTP and gRPC; a pair that does not fit changes nothing."""
    pem, key = tmp_path / "own.pem", tmp_path / "own.key"
    shown = []

    def put(title, *parts):
        for source, target in zip(files[title][:2], (pem, key), strict=True):
            if target in parts:
                target.write_bytes(source.read_bytes())
        shown.append(
            ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(files[title][0].read_text()))
        )

    put("server", pem, key)
    server = serve(published, "--grpc-port", "0", "--tls", pem, key)
    addresses = [server.url, f"//{server.announced['grpc']}"]
    assert [seen(each) for each in addresses] == [shown[0]] * 2
    put("dashboard", pem)
    time.sleep(2.5)
    assert [seen(each) for each in addresses] == [shown[0]] * 2
    put("dashboard", key)
    deadline = time.monotonic() + 60
    while [seen(each) for each in addresses] != [shown[-1]] * 2:
        assert time.monotonic() < deadline
    assert asked(server.url, files).status_code == 200
    assert live(server, files) is True
    assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tls", "none.pem", "none.key"), "No such file"),
        (("--tls", "server.pem", "authority.key"), "TLS cannot begin"),
        (("--client-ca", "authority.pem"), "goes with --tls"),
        (("--tls", "server.pem", "server.key", "--client-ca", "authority.pem"), "with --keys"),
    ],
)
def test_what_cannot_begin(published, files, options, words):
    folder = files["authority"].parent
    spelled = [str(folder / each) if each.endswith((".pem", ".key")) else each for each in options]
    command = ["serve", "--registry", str(published), "--port", "0", *spelled]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert words in result.output
