"""Event workers from NATS to DuckDB: how many events a second, and how long each takes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import numpy as np

from .event_worker import LIBRARY
from .rows import Row, largest_difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BACKLOG = 150_000
RATE, SECONDS = 500, 3
CHUNK = 10
ROUNDS = 2
PATIENCE = 120
SUBJECTS = ("events.0", "events.1")
OURS = "ours"
PEER = "the same worker, Booster.predict"
DEFINITION = """
name = "{name}"
sql = "SELECT id, predict_delay(e) AS p FROM events e"
[source]
bus = "{bus}"
stream = "EVENTS"
subjects = {subjects}
lease = "2 s"
[events]
columns = {{ {columns} }}
[sink]
to = "duckdb:{name}.duckdb"
"""


class Case(NamedTuple):
    """Which workers, how many of them, and in which round."""

    route: str
    workers: int
    turn: int


class Life(NamedTuple):
    """What workers did: seconds for an event of a backlog, and quantiles of latencies."""

    event: float
    p50: float
    p99: float
    answers: np.ndarray


class Bus:
    """A NATS server with a stream, and the events that were published."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        """Start the server on a free port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [Path(sys.executable).with_name("nats-server"), "-a", "127.0.0.1"]
        command += ["-p", str(port), "-js", "-sd", str(folder / "nats")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603
        self.url, self.columns, self.count = f"nats://127.0.0.1:{port}", columns, 0
        self._dice = np.random.default_rng(3)
        asyncio.run(self._make_stream())

    def publish(self, count: int, rate: float | None = None) -> None:
        """Publish events, as fast as it goes or so many a second."""
        asyncio.run(self._publish(count, rate))

    async def _make_stream(self) -> None:
        import nats

        client = await nats.connect(self.url, max_reconnect_attempts=60, reconnect_time_wait=0.1)
        await client.jetstream().add_stream(name="EVENTS", subjects=["events.*"])
        await client.close()

    async def _publish(self, count: int, rate: float | None) -> None:
        import nats

        client = await nats.connect(self.url)
        stream, begun = client.jetstream(timeout=PATIENCE), time.monotonic()
        values = self._dice.normal(size=(count, len(self.columns))).round(6)
        for at, row in enumerate(values.tolist()):
            event = {"id": self.count + at, **dict(zip(self.columns, row, strict=True))}
            subject, payload = SUBJECTS[at % len(SUBJECTS)], json.dumps(event).encode()
            if rate and at % CHUNK == 0:
                await client.flush()
                await asyncio.sleep(max(0.0, begun + at / rate - time.monotonic()))
            # More than ten thousand that wait to be stored would be refused.
            if at % 1000 == 0 or at == count - 1:
                await stream.publish(subject, payload)
            else:
                await client.publish(subject, payload)
        await client.close()
        self.count += count


def measure_workers(folder: Path, columns: Sequence[str], model: Path) -> list[Row]:
    """Compare one worker and two with the same around the library."""
    with ExitStack() as stack:
        bus = Bus(folder, columns)
        stack.callback(bus.process.wait)
        stack.callback(bus.process.kill)
        bus.publish(BACKLOG)
        lives: dict[tuple[int, str], list[Life]] = {}
        for turn in range(ROUNDS):
            for count in (1, 2):
                for route in (OURS, LIBRARY):
                    life = live(folder, bus, model, Case(route, count, turn))
                    lives.setdefault((count, route), []).append(life)
    return [row for count in (1, 2) for row in compared(count, lives)]


def compared(count: int, lives: dict[tuple[int, str], list[Life]]) -> Iterator[Row]:
    """Make the rows of so many workers."""
    ours, theirs = lives[count, OURS], lives[count, LIBRARY]
    gap = max(
        largest_difference(mine.answers[:BACKLOG], other.answers[:BACKLOG])
        for mine, other in zip(ours, theirs, strict=True)
    )
    workers = f"{count} worker{'s' if count > 1 else ''}, NATS to DuckDB"
    for field, text, bar in (
        ("event", "an event of a backlog", 1.0),
        ("p50", f"median latency, {RATE} events/s", 0.0),
        ("p99", f"p99 latency, {RATE} events/s", 0.0),
    ):
        mine, other = (
            statistics.median(getattr(life, field) for life in each) for each in (ours, theirs)
        )
        note = f"{1 / mine:,.0f} events/s, and {1 / other:,.0f}" if field == "event" else ""
        yield Row(f"{workers}: {text}", PEER, mine, other, other / mine, bar, gap, count, note=note)


def live(folder: Path, bus: Bus, model: Path, case: Case) -> Life:
    """Let workers do the backlog, and then what comes at a modest rate."""
    name = "-".join(map(str, case))
    listed = ", ".join(f'{column} = "DOUBLE"' for column in bus.columns)
    columns = f'id = "BIGINT", {listed}'
    definition = folder / f"{name}.toml"
    definition.write_text(
        DEFINITION.format(name=name, bus=bus.url, columns=columns, subjects=list(SUBJECTS))
    )
    logs = [folder / f"{name}-{number}.npy" for number in range(case.workers)]
    given = [definition, folder / "registry", model]
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(case.route, *given, log)) for log in logs]
        wait_for(workers, bus.count)
        begun = time.time()
        bus.publish(RATE * SECONDS, RATE)
        wait_for(workers, bus.count)
    times = [np.load(log) for log in logs]
    published, committed = np.concatenate(times, axis=1)
    latencies = (committed - published)[published >= begun]
    with duckdb.connect(folder / f"{name}.duckdb") as con:
        answers = con.execute("SELECT p FROM predictions ORDER BY id").fetchnumpy()["p"]
    if len(answers) != bus.count:
        message = f"{bus.count} events were published, and {len(answers)} scored."
        raise ValueError(message)
    return Life(per_event(times, begun), *np.quantile(latencies, (0.5, 0.99)), answers)


def per_event(times: Sequence[np.ndarray], until: float) -> float:
    """Give the seconds for an event of the backlog, from the first commit of all to the last."""
    published, committed = np.concatenate(times, axis=1)
    commits = np.sort(committed[published < until])
    return float(commits[-1] - commits[0]) / np.count_nonzero(commits > commits[0])


class Running(NamedTuple):
    """A worker's process, and how many events it has committed, which a thread reads."""

    process: subprocess.Popen[str]
    seen: list[int]


@contextmanager
def worker(route: str, *given: Path) -> Iterator[Running]:
    """Run a worker for as long as the block does."""
    script = Path(__file__).with_name("event_worker.py")
    command = [sys.executable, script, route, *given]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    running = Running(process, [0])

    def read() -> None:
        for line in process.stdout or ():
            running.seen[0] = int(line)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield running
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        thread.join()


def wait_for(workers: Sequence[Running], count: int) -> None:
    """Wait until so many events are committed."""
    end = time.monotonic() + PATIENCE
    while sum(each.seen[0] for each in workers) < count:
        if time.monotonic() > end or any(each.process.poll() is not None for each in workers):
            message = "A worker ended, or took too long."
            raise RuntimeError(message)
        time.sleep(0.01)
