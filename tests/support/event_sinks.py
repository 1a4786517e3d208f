"""Batches for sinks, and a process that writes them until it is done or killed.

As a program: ``event_sinks.py ADDRESS FOLDER PARTITION EVENTS SIZE`` writes the numbers from the
sink's position on, prints a line at each batch, and begins anew where another moved it.
"""

import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from foresql.streams.events.dead import dead_schema
from foresql.streams.events.definition import SinkSection
from foresql.streams.events.records import Move, MovedError, Outcome, Shape
from foresql.streams.events.sinks import open_sink

PREDICTIONS = pa.schema(
    [
        ("event_partition", pa.string()),
        ("event_offset", pa.int64()),
        ("score", pa.float64()),
        ("event_id", pa.string()),
    ]
)
STATE = pa.schema(
    [("event_partition", pa.string()), ("at", pa.timestamp("us")), ("value", pa.decimal128(18, 3))]
)
SHAPE = Shape(
    source="scores file:events",
    worker="one",
    offset_type="BIGINT",
    predictions=PREDICTIONS,
    key=(),
    tables={},
)
NO_DEAD = dead_schema("BIGINT").empty_table()


def sink_at(address, folder, *, hold=False, table="predictions", **options):
    return open_sink(SinkSection(to=address, table=table, hold=hold), Path(folder), **options)


def opened(address, folder, shape=SHAPE, **options):
    sink = sink_at(address, folder, **options)
    try:
        sink.open(shape)
    except BaseException:
        sink.close()
        raise
    return sink


def predictions(partition, offsets, ids=None):
    columns = [
        [partition] * len(offsets),
        list(offsets),
        [offset / 3 for offset in offsets],
        ids or [f"{partition}/{offset}" for offset in offsets],
    ]
    arrays = [pa.array(c, t) for c, t in zip(columns, PREDICTIONS.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=PREDICTIONS)


def batch(partition, before, after, **changes):
    """Make the batch of the events behind `before` up to `after`."""
    rows = predictions(partition, range(0 if before is None else before + 1, after + 1))
    outcome = Outcome(
        moves={partition: Move(before, after)},
        events={partition: rows.num_rows},
        predictions=rows,
        dead=NO_DEAD,
        tables={},
        forgotten={},
    )
    return replace(outcome, **changes)


def dead(partition, offset, payload=b"\x00\xff{"):
    row = [(partition,), (offset,), (1_700_000_000_000_000,), ("decode",), ("no JSON",), (payload,)]
    schema = dead_schema("BIGINT")
    arrays = [pa.array(c, t) for c, t in zip(row, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def written(address, folder, name="predictions"):
    """Read a table of a sink as anyone would: rows without columns that folders add."""
    kind, _, rest = address.partition(":")
    if kind == "parquet":
        with duckdb.connect() as connection:
            return connection.sql(
                f"SELECT * EXCLUDE (partition) FROM read_parquet('{folder}/{rest}/"
                f"{name.removeprefix('foresql.')}/**/*.parquet')"
            ).to_arrow_table()
    with duckdb.connect(f"{folder}/{rest}", read_only=True) as connection:
        return connection.sql(f"FROM {name}").to_arrow_table()


def main(address, folder, partition, events, size):
    sink, last = opened(address, folder), None
    last = sink.positions([partition]).get(partition)
    while last is None or last + 1 < int(events):
        after = min((-1 if last is None else last) + int(size), int(events) - 1)
        try:
            sink.write(batch(partition, last, after, dead=dead(partition, after)))
            last = after
        except MovedError:
            last = sink.positions([partition]).get(partition)
        print(last, flush=True)  # noqa: T201 - who started it counts the lines
    sink.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
