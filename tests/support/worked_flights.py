"""Flights as events: what a worker makes of them, and what the same query gives over all."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from changing_flights import exact

import foresql
from foresql.streams.events.definition import Definition, read_definition
from foresql.streams.events.totals import Totals
from foresql.streams.events.worker import Worker

QUERY = """
SELECT flight_id, predict_delay(f) AS late, predict_proba_delay(f) AS p, signbit(f.distance) AS sign
FROM flights f WHERE f.distance > 10 OR f.carrier = 'AA' OR f.distance IS NULL -- those
"""
TABLE = "CREATE TABLE flights (flight_id BIGINT, distance DOUBLE, carrier VARCHAR)"
DEFINITION = """
name = "{name}"
query = "scoring.sql"
[source]
bus = "{bus}"
{source}
[events]
table = "flights"
columns = {{ {columns} }}
{events}
[batch]
most = {most}
[sink]
to = "{sink}"
{more}
"""
COLUMNS = 'flight_id = "BIGINT", distance = "DOUBLE", carrier = "VARCHAR"'
PATIENCE = 60.0


def flight(number: int) -> dict[str, Any]:
    distance = None if number % 11 == 3 else number * 7 % 400 / 4
    return {"flight_id": number, "distance": distance, "carrier": ("AA", "B6", "DL")[number % 3]}


def payload(number: int) -> bytes:
    return json.dumps(flight(number)).encode()


class Flights:
    """A folder with a definition, and the registry that its models are in."""

    def __init__(self, folder: Path, registry: Path) -> None:
        self.folder, self.registry = folder, registry
        self.told: list[str] = []

    def define(  # noqa: PLR0913 - the parts of a definition
        self,
        bus: str = "file:*.jsonl",
        *,
        stream: str | None = None,
        source: str = "",
        events: str = "",
        columns: str = COLUMNS,
        more: str = "",
        most: int = 100,
        name: str = "flights",
        query: str = QUERY,
        sink: str = "duckdb:scores.duckdb",
    ) -> Definition:
        """Write a definition and its query, and read them."""
        if stream is not None:
            source = f'stream = "{stream}"\n{source}'
        self.path = self.folder / "worker.toml"
        (self.folder / "scoring.sql").write_text(query)
        self.path.write_text(
            DEFINITION.format(
                name=name,
                bus=bus,
                source=source,
                events=events,
                columns=columns,
                more=more,
                most=most,
                sink=sink,
            )
        )
        return read_definition(self.path)

    def append(self, payloads: Iterable[bytes], file: str = "a.jsonl") -> None:
        with (self.folder / file).open("ab") as lines:
            lines.writelines(each + b"\n" for each in payloads)

    def work(self, definition: Definition, **options: Any) -> Totals:
        """Work until no event waits."""
        return self.worker(definition).run(until_empty=True, **options)

    def worker(self, definition: Definition, stop: threading.Event | None = None) -> Worker:
        return Worker(definition, self.registry, stop=stop, told=self.told.append)

    @contextmanager
    def working(self, definition: Definition) -> Iterator[Totals]:
        """A worker in a thread, which is stopped in the end; what it raises is raised."""
        stop = threading.Event()
        worker = self.worker(definition, stop)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                worker.run()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield worker.totals
        finally:
            stop.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()
        if failures:
            raise failures[0]

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.folder / "scores.duckdb") as connection:
            return connection.execute(query).fetchall()

    def predicted(self) -> list[tuple[str, ...]]:
        return exact(self.sql("SELECT flight_id, late, p, sign FROM predictions"))

    def dead(self) -> list[tuple[Any, ...]]:
        return self.sql(
            "SELECT event_offset, step, reason, payload FROM foresql.dead_letters "
            "ORDER BY event_partition, CAST(event_offset AS BIGINT)"
        )

    def expected(self, numbers: Iterable[int]) -> list[tuple[str, ...]]:
        """What the query gives over the table of all these flights."""
        with foresql.connect() as connection:
            connection.execute(TABLE)
            rows = [tuple(flight(number).values()) for number in numbers]
            if rows:
                connection.executemany("INSERT INTO flights VALUES (?, ?, ?)", rows)
            found = foresql.run_query(connection, QUERY, registry=self.registry)
            assert found is not None
            return exact(found.fetchall())


def wait_until(is_done: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_done():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.02)
