"""The proof at the end: what the sink has is what a batch gives, bit for bit, and nothing lacks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import numpy as np

from ...scoring import register
from .query import SCORING
from .traffic import PARTITIONS
from .training import ANOMALY, FAILURE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from .traffic import Traffic

__all__ = ["Check", "Found", "check_all", "read_found"]

_OUTPUTS = (
    "reading_id",
    "machine",
    "measured_at",
    "failure_probability",
    "is_unusual",
    "vibration_now",
    "temperature_now",
)
_LISTED = ", ".join(_OUTPUTS)
_PREDICTIONS = f"SELECT {_LISTED}, model_version FROM predictions ORDER BY reading_id"  # noqa: S608
_DEAD = "SELECT step, count(*) FROM foresql.dead_letters GROUP BY ALL ORDER BY ALL"
_ALERTS = "FROM alerts ORDER BY event_partition, number"
_VERSIONS = """\
WITH firsts AS (
    SELECT model_version, event_partition, min(event_offset) AS first, count(*) AS scored
    FROM predictions GROUP BY ALL
)
SELECT model_version, sum(scored)::BIGINT,
       map_from_entries(list((event_partition, first) ORDER BY event_partition))
FROM firsts GROUP BY ALL ORDER BY min(first)
"""


class Check(NamedTuple):
    """A claim, and whether it held."""

    said: str
    holds: bool


class Found(NamedTuple):
    """What the sink has.

    Attributes
    ----------
    predictions
        All of them, by reading.
    dead
        How many dead letters each step made.
    alerts
        The rows of the table of alerts, in the order of each partition.
    versions
        Which versions scored, how many events, and from which offset of each partition.
    """

    predictions: pa.Table
    dead: dict[str, int]
    alerts: list[dict[str, Any]]
    versions: list[tuple[str, int, dict[str, int]]]


def read_found(database: Path) -> Found:
    """Read what the worker wrote, once it has ended."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return Found(
            connection.sql(_PREDICTIONS).to_arrow_table(),
            dict(connection.sql(_DEAD).fetchall()),
            connection.sql(_ALERTS).to_arrow_table().to_pylist(),
            connection.sql(_VERSIONS).fetchall(),
        )


def check_all(
    found: Found, traffic: Traffic, registry: Path, failing: str, heard: Sequence[dict[str, Any]]
) -> list[Check]:
    """Hold what the sink has against the plan, and against the batch.

    Parameters
    ----------
    found
        What the sink has.
    traffic
        What was published.
    registry
        Where the models are.
    failing
        The machine whose bearing wore.
    heard
        The alerts that came on the bus.
    """
    return [
        _batch(found, traffic, registry),
        _counts(found, traffic),
        _dead(found, traffic),
        _alerts(found, failing, heard),
    ]


def _batch(found: Found, traffic: Traffic, registry: Path) -> Check:
    """Run the same query over all events at once, by each version that scored some of them."""
    predictions = found.predictions
    versions = predictions["model_version"].to_numpy()
    same = np.zeros(len(versions), bool)
    for version in sorted(set(versions)):
        batch = _batch_of(traffic.events, version, registry)
        if batch.num_rows != predictions.num_rows:
            break
        same |= (versions == version) & _same_bits(predictions, batch)
    count = f"{int(same.sum()):,} of {traffic.events.num_rows:,}"
    return Check(
        f"{count} predictions equal the batch result of the same query over all events, bit for "
        "bit",
        bool(same.size and same.all()),
    )


def _batch_of(events: pa.Table, version: str, registry: Path) -> pa.Table:
    failure, anomaly = version.split(",")
    with duckdb.connect() as connection:
        for name, number in ((FAILURE, failure), (ANOMALY, anomaly)):
            register(connection, f"{name}:{number}", name=f"predict_{name}", registry=registry)
        connection.register("events", events)
        ordered = f"FROM ({SCORING}) ORDER BY reading_id"
        return connection.sql(ordered).to_arrow_table()


def _same_bits(left: pa.Table, right: pa.Table) -> np.ndarray[Any, Any]:
    """Say which rows are the same bits: as numbers -0.0 would equal 0.0."""
    same = np.ones(left.num_rows, bool)
    for name in _OUTPUTS:
        a, b = (table[name].to_numpy() for table in (left, right))
        if a.dtype == np.float64:
            a, b = a.view(np.uint64), b.view(np.uint64)
        same &= a == b
    return same


def _counts(found: Found, traffic: Traffic) -> Check:
    scored, dead, sent = len(found.predictions), sum(found.dead.values()), len(traffic.messages)
    return Check(
        f"{sent:,} messages = {scored:,} scored + {dead} dead letters + {traffic.twice} published "
        f"twice + {PARTITIONS} that wait as the newest of their partitions",
        sent == scored + dead + traffic.twice + PARTITIONS,
    )


def _dead(found: Found, traffic: Traffic) -> Check:
    planned = {"decode": traffic.malformed, "late": traffic.late, "time": traffic.future}
    said = ", ".join(f"{step} {count}" for step, count in found.dead.items())
    return Check(f"dead letters as planned: {said or 'none'}", found.dead == planned)


def _alerts(found: Found, failing: str, heard: Sequence[dict[str, Any]]) -> Check:
    events = [row["alert"] for row in found.alerts if row["machine"] == failing]
    paired = events[::2] == ["opened"] * len(events[::2]) and events[1::2] == ["closed"] * len(
        events[1::2]
    )
    stored = Counter((row["alert_id"], row["alert"]) for row in found.alerts)
    told = Counter((each["alert_id"], each["alert"]) for each in heard)
    return Check(
        f"{len(found.alerts)} alerts in the table, {len(heard)} on the subject; that of {failing} "
        "opened and closed",
        bool(events) and paired and len(events) % 2 == 0 and stored == told,
    )
