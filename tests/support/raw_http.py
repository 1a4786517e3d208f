"""HTTP as bytes, which no client would send, over a real connection."""

import json
import socket
from dataclasses import dataclass

SECONDS = 60
"""How long a test waits for the other end; no test waits for it to pass."""


@dataclass(frozen=True)
class Answer:
    """A response, read by its content length."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The message of an error in JSON, and nothing else."""
        assert self.headers["content-type"] == "application/json", self
        found = json.loads(self.body)
        assert set(found) == {"error"}, found
        return found["error"]


class Connection:
    """A connection that sends what it is told."""

    def __init__(self, address, *, receive_buffer=None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self._received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def shut(self) -> None:
        """Send no more, and go on to listen."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End as a process that is killed with unread bytes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _more(self) -> bool:
        try:
            part = self.socket.recv(65_536)
        except ConnectionResetError:
            part = b""
        self._received += part
        return bool(part)

    def answer(self, *, has_body=True) -> Answer | None:
        """Read an answer; None where the other end closes before there is one."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                assert not self._received, self._received
                return None
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (each.partition(": ") for each in lines)
        }
        length = int(headers["content-length"]) if has_body else 0
        while len(self._received) < length and self._more():
            pass
        body, self._received = self._received[:length], self._received[length:]
        return Answer(int(first.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Whether the other end closes and says nothing before it does."""
        while self._more():
            pass
        return not self._received


def request(method="GET", path="/models", *lines, body=b"", version="1.1") -> bytes:
    """Write a request; a content length is added where there is a body and no line of it."""
    head = [f"{method} {path} HTTP/{version}", *lines]
    names = {line.partition(":")[0].lower() for line in lines}
    if "host" not in names:
        head.append("Host: localhost")
    if body and not names & {"content-length", "transfer-encoding"}:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body
