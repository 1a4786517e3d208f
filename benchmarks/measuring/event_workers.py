"""Event workers from a bus to DuckDB: how many events a second, and how long each takes."""

from __future__ import annotations

import signal
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

from .environments import BENCHMARKS, PeerError, python_of
from .event_buses import KafkaBus, NatsBus
from .event_worker import LIBRARY
from .rows import Row, largest_difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .event_buses import Bus

BACKLOG, KAFKA_BACKLOG = 150_000, 40_000
RATE, SECONDS = 500, 3
ROUNDS = 2
PATIENCE = 120
OURS, QUIXSTREAMS = "ours", "quixstreams"
PEERS = {
    LIBRARY: "the same worker, Booster.predict",
    QUIXSTREAMS: "quixstreams, Booster.predict",
}
DEFINITION = """
name = "{name}"
sql = "SELECT id, predict_delay(e) AS p FROM events e"
[source]
bus = "{bus.url}"
{bus.source}
[events]
columns = {{ {columns} }}
[sink]
to = "duckdb:{name}.duckdb"
"""


class Case(NamedTuple):
    """Which workers on which bus, how many of them, and in which round."""

    bus: str
    route: str
    workers: int
    turn: int


class Life(NamedTuple):
    """What workers did: seconds for an event of a backlog, and quantiles of latencies."""

    event: float
    p50: float
    p99: float
    answers: np.ndarray


def measure_workers(folder: Path, columns: Sequence[str], model: Path) -> list[Row]:
    """Compare workers with the same around the library, and with a stream processor for Kafka."""
    with NatsBus(folder, columns) as bus:
        found = measured(folder, bus, model, "NATS", BACKLOG, (1, 2), (OURS, LIBRARY))
    try:
        python_of(QUIXSTREAMS)
    except PeerError as error:
        print(f"{QUIXSTREAMS} {error}")
        return found
    with KafkaBus(columns) as bus:
        routes = (OURS, LIBRARY, QUIXSTREAMS)
        return found + measured(folder, bus, model, "Kafka", KAFKA_BACKLOG, (1,), routes)


def measured(  # noqa: PLR0913, PLR0917 - what rows of the table depend on
    folder: Path,
    bus: Bus,
    model: Path,
    name: str,
    backlog: int,
    counts: Sequence[int],
    routes: Sequence[str],
) -> list[Row]:
    """Let each route do the same, so many workers at a time, in turns."""
    bus.publish(backlog)
    lives: dict[tuple[int, str], list[Life]] = {}
    for turn in range(ROUNDS):
        for count in counts:
            for route in routes:
                life = live(folder, bus, model, Case(name, route, count, turn))
                lives.setdefault((count, route), []).append(life)
    return [
        row
        for count in counts
        for route in routes[1:]
        for row in compared(
            f"{count} worker{'s' if count > 1 else ''}, {name} to DuckDB",
            PEERS[route],
            lives[count, OURS],
            lives[count, route],
            count,
        )
    ]


def compared(
    workers: str, peer: str, ours: Sequence[Life], theirs: Sequence[Life], count: int
) -> Iterator[Row]:
    """Make the rows of so many workers beside a peer."""
    backlog = min(len(life.answers) for life in (*ours, *theirs))
    gap = max(
        largest_difference(mine.answers[:backlog], other.answers[:backlog])
        for mine, other in zip(ours, theirs, strict=True)
    )
    for field, text, bar in (
        ("event", "an event of a backlog", 1.0),
        ("p50", f"median latency, {RATE} events/s", 0.0),
        ("p99", f"p99 latency, {RATE} events/s", 0.0),
    ):
        mine, other = (
            statistics.median(getattr(life, field) for life in each) for each in (ours, theirs)
        )
        note = f"{1 / mine:,.0f} events/s, and {1 / other:,.0f}" if field == "event" else ""
        yield Row(f"{workers}: {text}", peer, mine, other, other / mine, bar, gap, count, note=note)


def live(folder: Path, bus: Bus, model: Path, case: Case) -> Life:
    """Let workers do the backlog, and then what comes at a modest rate."""
    name = "-".join(map(str, case))
    commands = [
        (command_of(folder, bus, model, case.route, name, log), log)
        for log in (folder / f"{name}-{number}.npy" for number in range(case.workers))
    ]
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(command)) for command, _ in commands]
        wait_for(workers, bus.count)
        begun = time.time()
        bus.publish(RATE * SECONDS, RATE)
        wait_for(workers, bus.count)
    times = [np.load(log) for _, log in commands]
    published, committed = np.concatenate(times, axis=1)
    latencies = (committed - published)[published >= begun]
    with duckdb.connect(folder / f"{name}.duckdb") as con:
        answers = con.execute("SELECT p FROM predictions ORDER BY id").fetchnumpy()["p"]
    if len(answers) != bus.count:
        message = f"{bus.count} events were published, and {len(answers)} scored."
        raise ValueError(message)
    return Life(per_event(times, begun), *np.quantile(latencies, (0.5, 0.99)), answers)


def command_of(  # noqa: PLR0913, PLR0917 - what a process is told
    folder: Path, bus: Bus, model: Path, route: str, name: str, log: Path
) -> list[object]:
    """Give the command of a worker: ours by a definition, quixstreams in its own environment."""
    if route == QUIXSTREAMS and isinstance(bus, KafkaBus):
        script = BENCHMARKS / "peer_worker" / "quixstreams_worker.py"
        given = [bus.address, bus.TOPIC, name, model, folder / f"{name}.duckdb", log]
        return [python_of(QUIXSTREAMS), script, *given]
    listed = ", ".join(f'{column} = "DOUBLE"' for column in bus.columns)
    definition = folder / f"{name}.toml"
    definition.write_text(DEFINITION.format(name=name, bus=bus, columns=f'id = "BIGINT", {listed}'))
    script = Path(__file__).with_name("event_worker.py")
    return [sys.executable, script, route, definition, folder / "registry", model, log]


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
def worker(command: Sequence[object]) -> Iterator[Running]:
    """Run a worker for as long as the block does."""
    process = subprocess.Popen(  # noqa: S603 - a script of ours
        [*map(str, command)], stdout=subprocess.PIPE, text=True
    )
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
