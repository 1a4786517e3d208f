"""A process that reads a source and writes what it gets, a line a record; it can be killed."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from children import PATIENCE


class ReadingProcess:
    """A process with the source of `event_sources.definition(bus, stream, **source)`."""

    def __init__(self, file: Path, bus: str, stream: str, source: dict[str, Any]) -> None:
        self.file = file
        arguments = [str(file), bus, stream, json.dumps(source)]
        self.process = subprocess.Popen([sys.executable, __file__, *arguments])

    @property
    def lines(self) -> list[list[Any]]:
        """Partition, offset and payload of each record that it got; of whole lines only."""
        if not self.file.exists():
            return []
        *lines, _ = self.file.read_text().split("\n")
        return [json.loads(line) for line in lines]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


@contextmanager
def reading_process(folder: Path, bus: str, stream: str, **source: Any) -> Iterator[ReadingProcess]:
    name = f"{time.monotonic_ns()}.jsonl"
    process = ReadingProcess(folder / name, bus, stream, source)
    try:
        yield process
    finally:
        process.kill()


def main() -> None:
    import signal

    from event_sources import definition, reading

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    file, bus, stream, text = sys.argv[1:]
    source = json.loads(text)
    source["lease"] = timedelta(seconds=source["lease"])
    with (
        Path(file).open("a") as out,
        reading(definition(bus, stream, **source)) as found,
    ):
        while True:
            for record in found.source.poll(1000, 1.0):
                line = [record.partition, record.offset, record.payload.decode()]
                out.write(json.dumps(line) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
