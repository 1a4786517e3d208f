"""A way to a server on which an answer can be lost: the server did what it was asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class LosingAnswers:
    """Forwards connections to a port; drops the connection that an answer with a mark comes on."""

    def __init__(self, port: int) -> None:
        self.lost = 0
        self._to = port
        self._mark: bytes | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, mark: bytes) -> None:
        """Lose the next answer that has a mark, which is to come in one piece."""
        self._mark = mark

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for ends in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, begin: socket.socket, end: socket.socket, is_answer: bool) -> None:
        try:
            while part := begin.recv(65536):
                if is_answer and self._mark is not None and self._mark in part:
                    self._mark = None
                    self.lost += 1
                    break
                end.sendall(part)
        except OSError:
            pass
        finally:
            for each in (begin, end):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()


@contextmanager
def losing_answers(port: int) -> Iterator[LosingAnswers]:
    way = LosingAnswers(port)
    try:
        yield way
    finally:
        way.close()
