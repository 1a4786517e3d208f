"""Clients that send slowly, without an end, or do not listen: their connections end, others go on.

No test looks at how long that takes: the limits here are short, and those of a test long.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from children import PATIENCE, deadline
from raw_http import Connection, request
from serving_process import Server

LIMITED = Path(__file__).parents[1] / "support" / "limited_server.py"
BODY = b'{"rows": [{"distance": 733.0, "dep delay": 4.0}]}'
WHOLE = request("POST", "/predict/delay", body=BODY)
LIMITS = {
    "head_seconds": 0.5,
    "body_seconds": 0.5,
    "answer_seconds": 0.5,
    "head_bytes": 20_000,
    "connections": 40,
}


class Limited(Server):
    """A server whose limits a test can wait for."""

    def __init__(self, registry, **limits) -> None:
        command = [sys.executable, LIMITED, registry, json.dumps(LIMITS | limits)]
        self.process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with deadline(self.process):
            self.announced = json.loads(self.process.stdout.readline())
        self.url = self.announced["url"]
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def answers(self) -> bool:
        """Ask as a client does that tries again: this machine may be slower than the limits."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                response = httpx.post(self.url + "/predict/delay", content=BODY)
            except httpx.TransportError:
                continue
            if response.status_code == 200:
                return True
        return False

    def open_files(self) -> int:
        return len([*Path(f"/proc/{self.process.pid}/fd").iterdir()])


@pytest.fixture(scope="module")
def hasty(published):
    server = Limited(published)
    yield server
    assert server.answers()
    assert server.stop() == 0
    assert set(server.errors.splitlines()) <= {"Invalid HTTP request received."}


@pytest.fixture
def connected(hasty):
    with Connection(hasty.address) as connection:
        yield connection


def endless(connected, first: bytes, more: bytes, pause=0.0) -> None:
    """Send until the other end has had enough."""
    sent = 0
    try:
        connected.send(first)
        while sent < 50_000_000:
            connected.send(more)
            sent += len(more)
            time.sleep(pause)
    except OSError:
        pass
    assert sent < 50_000_000


def test_who_sends_nothing(connected):
    assert connected.is_closed()


@pytest.mark.parametrize("empty", [b"\r\n", b"\r\n\r\n"])
def test_who_sends_empty_lines(connected, empty):
    connected.send(empty)
    assert connected.is_closed()


@pytest.mark.parametrize("part", [b"P", b"GET /models HTTP/1.1\r\nHost: local", WHOLE[:30]])
def test_a_head_that_does_not_end(connected, part):
    connected.send(part)
    answer = connected.answer()
    assert answer.status == 408
    assert "0.5 seconds" in answer.error
    assert connected.is_closed()


def test_a_head_that_comes_byte_by_byte(connected):
    """The time is that of the head, not of a byte."""
    endless(connected, b"GET /", b"a", pause=0.05)


def test_a_second_head_that_does_not_end(connected):
    connected.send(WHOLE + WHOLE[:30])
    found = []
    while (answer := connected.answer()) is not None:
        found.append(answer.status)
    assert found in ([200, 408], [408]), found  # [408]: the test itself was too slow
    assert connected.is_closed()


def test_a_body_that_does_not_end(connected):
    connected.send(WHOLE[:-1])
    assert connected.answer().status == 408
    assert connected.is_closed()


@pytest.mark.parametrize("length", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_body_that_nobody_wants_and_that_does_not_end(connected, length):
    """The answer came before the body; the connection is not kept for the rest of it."""
    connected.send(request("POST", "/nothing", length))
    answer = connected.answer()
    assert answer.status in {404, 408}
    assert connected.is_closed()


@pytest.mark.parametrize("more", [b"a" * 1_000, b"Name: value\r\n" * 50], ids=["name", "lines"])
def test_a_head_without_an_end(hasty, connected, more):
    endless(connected, b"GET /models HTTP/1.1\r\n", more)
    assert hasty.answers()


def test_a_head_that_is_too_large(connected):
    connected.send(b"GET /models HTTP/1.1\r\nX: ")
    connected.send(b"a" * 20_000)
    answer = connected.answer()
    assert answer.status == 431
    assert "20,000 bytes" in answer.error


@pytest.mark.parametrize("path", ["/predict/delay", "/nothing"])
@pytest.mark.parametrize("more", [b"a" * 1_000, b"Name: value\r\n" * 50], ids=["name", "lines"])
def test_trailers_without_an_end(hasty, connected, path, more):
    """They stand behind a body in chunks, and are headers again."""
    endless(connected, request("POST", path, "Transfer-Encoding: chunked") + b"0\r\n", more)
    assert hasty.answers()


def test_answers_that_nobody_takes(hasty):
    """The server ends the connection, and holds no more than a few answers for it."""
    large = request(
        "POST", "/predict/delay", body=b'{"rows": [%b]}' % b", ".join([BODY[10:-2]] * 5000)
    )
    before = hasty.open_files()
    connections = []
    for _ in range(5):
        connection = Connection(hasty.address, receive_buffer=4_096)
        connection.socket.settimeout(1)
        connections.append(connection)
        try:
            for _ in range(40):
                connection.send(large)
        except OSError:
            pass
    end = time.monotonic() + PATIENCE
    while hasty.open_files() > before:
        assert time.monotonic() < end
        time.sleep(0.05)
    for connection in connections:
        connection.socket.close()
    assert hasty.answers()


def test_clients_that_vanish(hasty):
    """In the middle of a head, of a body, or of an answer; nothing of them stays."""
    assert hasty.answers()
    before = hasty.open_files()
    for part in (b"", WHOLE[:20], WHOLE[:-5], WHOLE, WHOLE * 20):
        for _ in range(30):
            connection = Connection(hasty.address)
            connection.send(part)
            connection.reset()
    end = time.monotonic() + PATIENCE
    while hasty.open_files() > before:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_more_connections_than_it_takes(hasty):
    """The last ones are told so; when some end, others get in."""
    connections = [Connection(hasty.address) for _ in range(LIMITS["connections"] + 20)]
    refused = 0
    for connection in connections:
        answer = connection.answer()
        if answer is not None:
            assert answer.status == 503
            assert "as many connections" in answer.error
            refused += 1
        connection.socket.close()
    assert refused
    assert hasty.answers()


def test_more_connections_than_the_system_gives(published):
    """Files run out before connections do; who waits gets in when others have left."""
    server = Limited(published, connections=4_096, head_seconds=60)
    try:
        used = server.open_files()
        subprocess.run(
            ["prlimit", f"--pid={server.process.pid}", f"--nofile={used + 20}"], check=True
        )
        connections = [Connection(server.address) for _ in range(60)]
        for connection in connections:
            connection.socket.close()
        assert server.answers()
        assert server.stop() == 0
    finally:
        server.process.kill()
        server.process.communicate()
