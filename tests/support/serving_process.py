"""`foresql serve` as a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

FORESQL = Path(sys.executable).with_name("foresql")


class Server:
    """`foresql serve` on a free port."""

    def __init__(self, registry, *options) -> None:
        command = [FORESQL, "serve", "--json", "--port", "0", "--registry", registry, *options]
        self.process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.announced = json.loads(self.process.stdout.readline())
        self.url = self.announced["url"]
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def stop(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        self.errors = self.process.communicate(timeout=40)[1]
        return self.process.returncode
