"""Events with windows through a worker's pieces, and the same query over the table of them all."""

import json
import math
import random
import signal
import struct
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
from mortal_workers import Workers
from torn_block import mend_torn_block

import foresql
from foresql.scoring.query import run_query
from foresql.streams.events.dead import dead_table
from foresql.streams.events.definition import read_definition
from foresql.streams.events.records import Dead, Move, Outcome, Record, Shape
from foresql.streams.events.scoring import Scoring
from foresql.streams.events.sinks import open_sink
from foresql.streams.events.windows import open_windows

FEATURES = ["readings", "mean_5", "greatest", "median_5", "kinds", "rise", "calm"]
QUERY = """
WITH cleaned AS (
    SELECT *, x::DECIMAL(18, 6) AS exact FROM events WHERE n IS DISTINCT FROM 7
), near AS (
    SELECT
        event_id, sensor, t, x,
        count(*) OVER w AS readings,
        avg(exact) OVER w AS mean_5,
        max(x + 0.0) FILTER (WHERE n > 2) OVER w AS greatest,
        median(exact) OVER w AS median_5,
        count(DISTINCT n) OVER w AS kinds,
        x - (max({'at': t, 'value': exact}) OVER (
            PARTITION BY sensor ORDER BY t
            RANGE BETWEEN INTERVAL 2 MINUTES PRECEDING AND CURRENT ROW EXCLUDE GROUP
        )).value::DOUBLE AS rise
    FROM cleaned AS c
    WINDOW w AS (
        PARTITION BY c.sensor ORDER BY c.t
        RANGE BETWEEN INTERVAL '5 minutes' PRECEDING AND CURRENT ROW
    )
    QUALIFY min(n) OVER (
        PARTITION BY sensor ORDER BY t RANGE BETWEEN INTERVAL 1 MINUTE PRECEDING AND CURRENT ROW
    ) IS DISTINCT FROM 6
)
SELECT
    event_id, sensor, t, readings, mean_5, greatest, median_5, kinds, rise, calm,
    predict_strain(f) AS strain
FROM (
    SELECT *, bool_and(readings < 9) OVER (
        PARTITION BY sensor ORDER BY t
        RANGE BETWEEN INTERVAL 3 MINUTES PRECEDING AND INTERVAL 30 SECONDS PRECEDING
    ) AS calm
    FROM near
) AS f
WHERE readings <> 4
"""
LOOKBACK, LATENESS = timedelta(minutes=8), timedelta(seconds=90)
START = datetime(2026, 3, 1)  # noqa: DTZ001 - TIMESTAMP has no zone
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("sensor", pa.string()),
        ("t", pa.timestamp("us")),
        ("x", pa.float64()),
        ("n", pa.int64()),
    ]
)
WHOLE_SCHEMA = pa.schema(
    [
        *SCHEMA,
        ("event_partition", pa.string()),
        ("event_offset", pa.int64()),
        ("event_published", pa.timestamp("us")),
    ]
)
DEFINITION = """
name = "{name}"
query = "scoring.sql"
[source]
bus = "file:events/*.jsonl"
[events]
columns.event_id = "VARCHAR"
columns.sensor = "VARCHAR"
columns.t = "TIMESTAMP"
columns.x = "DOUBLE"
columns.n = "BIGINT"
time = "t"
{events}
[window]
key = ["sensor"]
lateness = "90 seconds"
{window}
[sink]
to = "duckdb:scores.duckdb"
"""


def publish_model(registry: Path) -> None:
    """Publish a small model of the query's features."""
    draw = np.random.default_rng(5)
    rows = pd.DataFrame(
        {
            "readings": draw.integers(1, 30, 400),
            "mean_5": draw.normal(3, 2, 400),
            "greatest": draw.normal(6, 3, 400),
            "median_5": draw.normal(3, 2, 400),
            "kinds": draw.integers(0, 8, 400),
            "rise": draw.normal(0, 3, 400),
            "calm": draw.integers(0, 2, 400).astype(bool),
        }
    )[FEATURES]
    target = rows["mean_5"] * 2 + rows["rise"] - rows["readings"] / 9 + rows["calm"]
    model = lightgbm.LGBMRegressor(n_estimators=12, num_leaves=6, verbose=-1).fit(rows, target)
    foresql.publish("strain", model, like=rows, alias="champion", registry=registry)


def write_definition(folder: Path, *, query=QUERY, name="strain-scores", events="", window=""):
    """Write a definition and its query, and read them."""
    (folder / "scoring.sql").write_text(query)
    path = folder / "worker.toml"
    path.write_text(DEFINITION.format(name=name, events=events, window=window))
    return read_definition(path)


def chance(seed: int) -> random.Random:
    """Draw what can be drawn again."""
    return random.Random(seed)  # noqa: S311 - it repeats itself


def read_definition_of(query: str, **window):
    """Read the definition of a query, with other values of its [window]."""
    with tempfile.TemporaryDirectory() as folder:
        definition = write_definition(Path(folder), query=query)
    return replace(definition, window=replace(definition.window, **window))


class Events:
    """Random events of partitions, each in the order in which it arrives."""

    def __init__(
        self, seed: int, count: int = 300, partitions: int = 2, seconds: float = 2400
    ) -> None:
        self.draw, self._seconds = chance(seed), seconds
        self.by_partition: dict[str, list[dict]] = {}
        for number in range(partitions):
            keys = [f"s{number}-{key}" for key in range(3)] + ([None] if number == 0 else [])
            rows = [self._row(f"{number}-{place}", keys) for place in range(count)]
            behind = LATENESS.total_seconds() * self.draw.choice([0, 0.5, 1])
            rows.sort(key=lambda row: row["t"] + timedelta(seconds=self.draw.uniform(0, behind)))
            self.by_partition[f"p{number}"] = rows

    def _row(self, name: str, keys: list) -> dict:
        draw = self.draw
        step = draw.choice([1, 10, 0.000001])  # few different times, so that many are equal
        return {
            "event_id": name,
            "sensor": draw.choice(keys),
            "t": START + timedelta(seconds=round(draw.uniform(0, self._seconds) / step) * step),
            "x": draw.choice([None, 0.0, -0.0, draw.gauss(3, 4), round(draw.gauss(3, 4), 1)]),
            "n": draw.choice([None, *range(8)]),
        }


def table_of(partition: str, rows: list[dict], first: int) -> pa.Table:
    """Make the rows of a partition, whose offsets begin at one."""
    table = pa.Table.from_pylist([{k: row[k] for k in SCHEMA.names} for row in rows], schema=SCHEMA)
    table = table.append_column("event_partition", pa.array([partition] * len(rows), pa.string()))
    offsets = pa.array(range(first, first + len(rows)), pa.int64())
    table = table.append_column("event_offset", offsets)
    return table.append_column("event_published", pa.array([START] * len(rows), pa.timestamp("us")))


class Worker:
    """What a worker does with a batch, in one process that can be thrown away."""

    def __init__(self, definition, registry: Path) -> None:
        self.windows = open_windows(definition, SCHEMA, "BIGINT")
        self.scoring = Scoring(self.windows.query, registry, "run")
        self.sink = open_sink(definition.sink, definition.folder)
        self.sink.open(
            Shape(
                source=definition.source_name,
                worker="run",
                offset_type="BIGINT",
                predictions=self.scoring.schema,
                key=definition.events.id,
                tables=self.windows.tables,
                claims=self.windows.claims,
            )
        )
        self.windows.open(self.sink.read)

    def offset(self, partition: str) -> int:
        return self.sink.positions([partition]).get(partition, -1)

    def outcome(self, taken, moves) -> Outcome:
        scored = self.scoring.score(taken.rows)
        dead = [
            Dead(Record(each.partition, each.offset, 0.0, b"", None), each.step, each.reason)
            for each in (*taken.refused, *scored.dead)
        ]
        return Outcome(
            moves={**moves, **taken.moves},
            events={},
            predictions=scored.predictions,
            dead=dead_table(dead, "BIGINT"),
            tables=taken.kept.tables,
            forgotten=taken.kept.forgotten,
        )

    def take(self, parts: dict[str, tuple[int, list[dict]]]) -> Outcome:
        """Take a batch: of each partition its first offset and its rows."""
        moves = {
            name: Move(first - 1 if first else None, first + len(rows) - 1)
            for name, (first, rows) in parts.items()
        }
        table = pa.concat_tables(
            [table_of(name, rows, first) for name, (first, rows) in parts.items()]
        )
        return self.outcome(self.windows.take(table, moves), moves)

    def close(self) -> None:
        self.sink.close()
        self.scoring.close()
        self.windows.close()


def run_through(definition, registry, events, *, draw, most=60) -> None:
    """Bring all events through workers that are cut off and begun again at random, then flush."""
    worker = Worker(definition, registry)
    while True:
        places = {name: worker.offset(name) + 1 for name in events.by_partition}
        left = {name: rows[places[name] :] for name, rows in events.by_partition.items()}
        parts = {
            name: (places[name], rows[: draw.randint(1, most)])
            for name, rows in left.items()
            if rows and (draw.random() < 0.7 or len(left) == 1)
        }
        if not any(left.values()):
            break
        if parts:
            outcome = worker.take(parts)
            if draw.random() < 0.15:  # it dies before the transaction
                worker.close()
                worker = Worker(definition, registry)
                continue
            worker.sink.write(outcome)
        if draw.random() < 0.1:
            worker.close()
            worker = Worker(definition, registry)
    taken = worker.windows.advance(list(events.by_partition), flush=True)
    worker.sink.write(worker.outcome(taken, {}))
    worker.close()


def late_ones(events: Events) -> set[str]:
    """Say which events come after the watermark, one after the other as they arrive."""
    late = set()
    for rows in events.by_partition.values():
        reached = None
        for row in rows:
            if reached is not None and row["t"] < reached - LATENESS:
                late.add(row["event_id"])
            else:
                reached = row["t"] if reached is None else max(reached, row["t"])
    return late


def in_batch(folder: Path, registry: Path, rows: list[dict], query=QUERY) -> dict[str, tuple]:
    """Run the query as it stands over the table of all events."""
    database = folder / "batch.duckdb"
    database.unlink(missing_ok=True)
    con = foresql.connect(str(database))
    table = pa.Table.from_pylist(rows, schema=SCHEMA) if rows else SCHEMA.empty_table()
    con.register("arriving", table)
    con.execute("CREATE TABLE events AS SELECT * FROM arriving")
    found = run_query(con, query, registry=registry).to_arrow_table().to_pylist()
    con.close()
    return keyed(found)


def predicted(folder: Path) -> list[dict]:
    """Read all predictions, in the order in which they were written."""
    with foresql.connect(str(folder / "scores.duckdb")) as con:
        return con.sql("SELECT * FROM predictions ORDER BY rowid").to_arrow_table().to_pylist()


def dead(folder: Path) -> list[tuple]:
    """Read the dead letters: partition, offset, step, reason."""
    with foresql.connect(str(folder / "scores.duckdb")) as con:
        return con.execute(
            "SELECT event_partition, event_offset::BIGINT, step, reason FROM foresql.dead_letters "
            "ORDER BY ALL"
        ).fetchall()


def keyed(rows: list[dict]) -> dict[str, tuple]:
    """Give each row's columns as bits, by its event."""
    names = ["event_id", "sensor", "t", *FEATURES, "strain"]
    found = {row["event_id"]: tuple(bits(row[name]) for name in names) for row in rows}
    assert len(found) == len(rows)
    return found


def bits(value: object) -> object:
    """Give a value such that equal means the same bits; NaN is one value."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


def write_files(folder: Path, events: Events) -> None:
    """Write each partition as a file of lines."""
    (folder / "events").mkdir()
    for name, rows in events.by_partition.items():
        path = folder / "events" / f"{name}.jsonl"
        lines = [json.dumps({**row, "t": row["t"].isoformat()}) + "\n" for row in rows]
        path.write_text("".join(lines))


def kill_at_work(started: Workers, folder: Path, draw: random.Random, kills: int) -> bool:
    """Start a worker, and kill it when it has written a few batches more; whether it still ran."""
    worker = started.start("--until-empty", "--flush")
    began, seen, wanted = _written(folder), 0, draw.randint(1, 8)
    while worker.is_alive() and seen < wanted:
        now = _written(folder)
        seen, began = seen + (now != began), now
        time.sleep(0.005)
    code = started.kill(worker)
    assert code in {0, -signal.SIGKILL}, started.log.read_text()
    if (folder / "scores.duckdb").exists():
        mend_torn_block(folder / "scores.duckdb", kills)
    return code != 0


def _written(folder: Path) -> int:
    files = [folder / "scores.duckdb", folder / "scores.duckdb.wal"]
    return sum(path.stat().st_mtime_ns for path in files if path.exists())
