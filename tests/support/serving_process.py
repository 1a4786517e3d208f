"""`foresql serve` as a process, and how it is asked."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from children import PATIENCE, deadline

from foresql.serving.grpc_messages import SERVICE, message_class

FORESQL = Path(sys.executable).with_name("foresql")


class Server:
    """`foresql serve` on a free port."""

    def __init__(self, registry, *options) -> None:
        command = [FORESQL, "serve", "--json", "--port", "0", "--registry", registry, *options]
        self.process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with deadline(self.process):
            self.announced = json.loads(self.process.stdout.readline())
        self.url = self.announced["url"]
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def stop(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        self.errors = self.process.communicate(timeout=PATIENCE)[1]
        return self.process.returncode


def sha256(key: str) -> str:
    """What the file of keys has of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def of(bearer: str) -> dict[str, str]:
    """The headers of a request with a key or token."""
    return {"authorization": f"Bearer {bearer}"}


def call(channel, method, metadata=(), timeout=20, **fields):
    """Call a method of gRPC as a client that fills the fields itself."""
    stub = channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=message_class(f"{method}Request").SerializeToString,
        response_deserializer=message_class(f"{method}Response").FromString,
    )
    return stub(message_class(f"{method}Request")(**fields), metadata=metadata, timeout=timeout)
