"""How a worker signs on to NATS: by the environment, and never in the clear where a CA is given."""

import subprocess
import sys
from pathlib import Path

import pytest
from event_sources import definition, reading
from nats_server import NatsServer, nats_server

from foresql.errors import StreamError
from foresql.streams.events.sources import open_source

SECRET = "s3cret-word"  # noqa: S105 - of a server that lives for a test
USERS = {"authorization": {"users": [{"user": "scorer", "password": SECRET}]}}


def make_stream(server: NatsServer, **options) -> None:
    async def make(_, js):
        await js.add_stream(name="s", subjects=["s"])
        await js.publish("s", b"1")

    server.run(make, **options)


def check_reads(server: NatsServer) -> None:
    with reading(definition(server.url, "s")) as found:
        assert [record.payload for record in found.read(1)] == [b"1"]


def refusal(server: NatsServer) -> str:
    with pytest.raises(StreamError) as caught:
        open_source(definition(server.url, "s")).open(lambda _: {})
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_user_and_password_come_from_the_environment(monkeypatch):
    with nats_server(USERS) as server:
        make_stream(server, user="scorer", password=SECRET)
        assert "authorization violation" in refusal(server).lower()
        monkeypatch.setenv("FORESQL_BUS_USER", "scorer")
        monkeypatch.setenv("FORESQL_BUS_PASSWORD", SECRET)
        check_reads(server)


def test_a_token_comes_from_the_environment(monkeypatch):
    with nats_server({"authorization": {"token": SECRET}}) as server:
        make_stream(server, token=SECRET)
        monkeypatch.setenv("FORESQL_BUS_TOKEN", f"{SECRET}-wrong")
        assert "authorization violation" in refusal(server).lower()
        monkeypatch.setenv("FORESQL_BUS_TOKEN", SECRET)
        check_reads(server)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate for the local host, which is its own authority."""
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(tmp_path / "key.pem"), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate


def test_the_authority_is_asked_for(monkeypatch, authority):
    files = {"cert_file": str(authority), "key_file": str(authority.parent / "key.pem")}
    with nats_server({"tls": files}) as server:
        assert "certificate verify failed" in refusal(server).lower()
        monkeypatch.setenv("FORESQL_BUS_CA", str(authority))
        with pytest.raises(StreamError, match="stream not found"):
            open_source(definition(server.url, "s")).open(lambda _: {})


def test_nothing_is_sent_in_the_clear_where_there_is_an_authority(monkeypatch, authority):
    with nats_server(USERS) as server:
        monkeypatch.setenv("FORESQL_BUS_USER", "scorer")
        monkeypatch.setenv("FORESQL_BUS_PASSWORD", SECRET)
        monkeypatch.setenv("FORESQL_BUS_CA", str(authority))
        assert "secure" in refusal(server).lower()
        log = server.log.read_text()
    assert "scorer" not in log


def test_an_authority_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FORESQL_BUS_CA", str(tmp_path / "none.pem"))
    with pytest.raises(StreamError, match=r"FORESQL_BUS_CA: .*none\.pem cannot be read"):
        open_source(definition("nats://127.0.0.1:1", "s")).open(lambda _: {})


def test_credentials_without_nkeys_name_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("FORESQL_BUS_CREDENTIALS", str(tmp_path / "worker.creds"))
    monkeypatch.setitem(sys.modules, "nkeys", None)
    with pytest.raises(StreamError, match=r"pip install 'nats-py\[nkeys\]'"):
        open_source(definition("nats://127.0.0.1:1", "s")).open(lambda _: {})
