"""Alerts: opened and closed once, committed with their predictions, published once."""

import asyncio
import json
import math
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import duckdb
import nats
import numpy as np
import pandas as pd
import pytest
from children import PATIENCE
from lightgbm import LGBMRegressor
from nats_server import nats_server

import foresql
from foresql.errors import StreamError
from foresql.streams.events.definition import read_definition
from foresql.streams.events.worker import Worker

DEFINITION = """
name = "heat"
sql = "SELECT event_id, sensor, t, predict_heat(e) AS heat FROM events e WHERE n < 4"
[source]
bus = "file:events/*.jsonl"
[events]
columns.event_id = "VARCHAR"
columns.sensor = "VARCHAR"
columns.t = "TIMESTAMP"
columns.x = "DOUBLE"
columns.n = "BIGINT"
time = "t"
most_bytes = 4000000
[batch]
most = 50
[sink]
to = "duckdb:scores.duckdb"
[alerts]
score = "heat"
key = ["sensor"]
open_at = 8.0
close_below = 4.0
{more}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("alerts") / "registry"
    rows = pd.DataFrame({"x": np.linspace(0, 10, 300)})
    model = LGBMRegressor(n_estimators=40, num_leaves=8, verbose=-1).fit(rows, rows["x"])
    foresql.publish("heat", model, like=rows, alias="champion", registry=path)
    return path


@pytest.fixture
def bus():
    with nats_server() as server:
        yield server


def write_events(folder, seed, *, append=False):
    """Write events of two files, whose sensors heat up and cool down."""
    draw = random.Random(seed)  # noqa: S311 - it repeats itself
    (folder / "events").mkdir(exist_ok=True)
    for part in range(2):
        heat = {f"s{part}-{number}": draw.uniform(0, 10) for number in range(3)}
        with (folder / "events" / f"p{part}.jsonl").open("a" if append else "w") as file:
            for number in range(200):
                sensor = draw.choice(list(heat))
                heat[sensor] = min(10.0, max(0.0, heat[sensor] + draw.gauss(0, 2)))
                row = {
                    "event_id": f"{seed}-{part}-{number}",
                    "sensor": sensor,
                    "t": f"2026-01-01T00:{number // 60:02}:{number % 60:02}",
                    "x": heat[sensor],
                    "n": draw.randrange(5),
                }
                file.write(json.dumps(row) + "\n")


def run(folder, registry, more="", definition=DEFINITION):
    (folder / "worker.toml").write_text(definition.format(more=more))
    told = []
    worker = Worker(read_definition(folder / "worker.toml"), registry, told=told.append)
    worker.run(until_empty=True)
    return told


def read(folder, query):
    with duckdb.connect(str(folder / "scores.duckdb")) as con:
        return con.execute(query).fetchall()


def expected_alerts(folder):
    """Say what must be in the table, from all predictions in the order of offsets."""
    found, opened = [], {}
    for partition, offset, sensor, heat in read(
        folder,
        "SELECT event_partition, event_offset, sensor, heat FROM predictions "
        "ORDER BY event_partition, event_offset",
    ):
        key = partition, sensor
        if key not in opened and heat >= 8:
            opened[key] = f"heat/{partition}/{offset}"
            found.append((partition, offset, sensor, "opened", heat, opened[key]))
        elif key in opened and heat < 4:
            found.append((partition, offset, sensor, "closed", heat, opened.pop(key)))
    return found


def alerts(folder):
    return read(
        folder,
        "SELECT event_partition, event_offset, sensor, alert, score, alert_id FROM alerts "
        "ORDER BY event_partition, number",
    )


def test_alerts_open_and_close_once_whatever_the_batches_and_restarts(registry, tmp_path):
    write_events(tmp_path, 1)
    run(tmp_path, registry)
    write_events(tmp_path, 2, append=True)
    run(tmp_path, registry)
    found = alerts(tmp_path)
    assert len(found) > 10
    assert found == expected_alerts(tmp_path)


def received(bus):
    """Read all messages of the stream of alerts: their ids and bodies."""

    async def look():
        client = await nats.connect(bus.url)
        stream = client.jetstream()
        count = (await stream.stream_info("ALERTS")).state.messages
        subscription = await stream.subscribe("alerts", ordered_consumer=True)
        found = [await subscription.next_msg(timeout=5) for _ in range(count)]
        await client.close()
        return [(each.headers["Nats-Msg-Id"], json.loads(each.data)) for each in found]

    return asyncio.run(look())


def test_alerts_are_published_once_though_the_bus_was_away_or_the_mark_was_lost(
    registry, tmp_path, bus
):
    write_events(tmp_path, 3)
    more = f'subject = "alerts"\nbus = "{bus.url}"'
    told = run(tmp_path, registry, more)  # no stream takes them yet
    assert any("No stream" in each and "alerts" in each for each in told)
    expected = [f"{row[5]}:{row[3]}" for row in alerts(tmp_path)]
    assert read(tmp_path, 'SELECT count(*) FROM foresql."heat_alerts_published"') == [(0,)]
    bus.make_stream("ALERTS", ["alerts"])
    write_events(tmp_path, 4, append=True)
    run(tmp_path, registry, more)
    expected = [f"{row[5]}:{row[3]}" for row in alerts(tmp_path)]
    found = received(bus)
    assert sorted(each for each, _ in found) == sorted(expected)
    for partition in ("events/p0.jsonl", "events/p1.jsonl"):
        own = [each for each in expected if f"/{partition}/" in each]
        assert [each for each, _ in found if f"/{partition}/" in each] == own
    assert found[0][1]["alert"] == "opened"
    # A worker that died behind the bus's answer, and before its mark, publishes them again.
    read(tmp_path, 'DELETE FROM foresql."heat_alerts_published"')
    write_events(tmp_path, 5, append=True)
    run(tmp_path, registry, more)
    again = [each for each, _ in received(bus)]
    assert sorted(again) == sorted(f"{row[5]}:{row[3]}" for row in alerts(tmp_path))
    assert len(again) > len(found)


def test_alerts_wait_while_the_bus_is_down_in_mid_run(registry, tmp_path, bus):
    """One worker goes on scoring, says once that they wait, and publishes them in order later."""
    bus.make_stream("ALERTS", ["alerts"])
    more = f'subject = "alerts"\nbus = "{bus.url}"'
    (tmp_path / "worker.toml").write_text(DEFINITION.format(more=more))
    write_events(tmp_path, 7)
    stop, told = threading.Event(), []
    worker = Worker(
        read_definition(tmp_path / "worker.toml"), registry, stop=stop, told=told.append
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker.run)
        try:
            until(running, lambda: worker.totals.events.total() == 400)
            bus.stop()
            write_events(tmp_path, 8, append=True)
            until(running, lambda: worker.totals.events.total() == 800)
            until(running, lambda: any("wait in the sink until alerts" in each for each in told))
            bus.start()
            until(running, lambda: any("published to alerts again" in each for each in told))
            bus.kill()
            write_events(tmp_path, 9, append=True)
            until(running, lambda: worker.totals.events.total() == 1200)
            until(running, lambda: len(told) > 2)
            bus.start()
            until(running, lambda: len(told) > 3)
        finally:
            stop.set()
    running.result()
    assert [each.split(" ")[1] for each in told] == ["wait", "are"] * 2
    rows = alerts(tmp_path)
    found = [id_ for id_, _ in received(bus)]
    for partition in ("events/p0.jsonl", "events/p1.jsonl"):
        own = [f"{row[5]}:{row[3]}" for row in rows if row[0] == partition]
        assert [each for each in found if f"/{partition}/" in each] == own
    assert len(found) == len(rows) > 10
    assert rows == expected_alerts(tmp_path)


def until(running, is_done):
    end = time.monotonic() + PATIENCE
    while not is_done():
        assert not running.done(), running.result()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_event_keeps_alerts_from_being_published(registry, tmp_path, bus):
    bus.make_stream("ALERTS", ["alerts"])
    more = f'subject = "alerts"\nbus = "{bus.url}"'
    (tmp_path / "events").mkdir()
    sensors = ["s" * 2_000_000, "small"]
    rows = [
        {"event_id": "1", "sensor": each, "t": "2026-01-01", "x": 9.9, "n": 0} for each in sensors
    ]
    (tmp_path / "events" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    endless = DEFINITION.replace("predict_heat(e) AS", "predict_heat(e) / 0 AS")
    run(tmp_path, registry, more, endless)
    [(_, first), (_, second)] = received(bus)
    assert first["alert_id"] == "heat/events/a.jsonl/0"
    assert first["sensor"] is None
    assert second["sensor"] == "small"
    assert second["score"] == "Infinity"
    assert read(tmp_path, "SELECT length(sensor), score FROM alerts ORDER BY number") == [
        (2_000_000, math.inf),
        (5, math.inf),
    ]


def test_a_key_of_two_partitions_has_alerts_in_one(registry, tmp_path):
    """An order of its events is in one partition alone; all of them are scored."""
    write_events(tmp_path, 6)
    moved = (tmp_path / "events" / "p1.jsonl").read_text().replace('"s1-0"', '"s0-0"')
    (tmp_path / "events" / "p1.jsonl").write_text(moved)
    run(tmp_path, registry)
    [(owner,)] = read(tmp_path, "SELECT DISTINCT event_partition FROM alerts WHERE sensor = 's0-0'")
    letters = read(
        tmp_path,
        "SELECT event_partition, event_offset::BIGINT, step, reason FROM foresql.dead_letters "
        "ORDER BY ALL",
    )
    scored = read(
        tmp_path,
        "SELECT event_partition, event_offset FROM predictions WHERE sensor = 's0-0' "
        f"AND event_partition <> '{owner}' ORDER BY ALL",
    )
    reason = f"events of its key came in the partition {owner} before"
    assert len(scored) > 10
    assert letters == [(*each, "alert", reason) for each in scored]
    expected = [row for row in expected_alerts(tmp_path) if row[2] != "s0-0" or row[0] == owner]
    assert alerts(tmp_path) == expected


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('subject = "alerts"', "is one of NATS"),
        ('bus = "nats://u:p@127.0.0.1"', "has credentials in it"),
    ],
)
def test_wrong_alerts_are_refused(registry, tmp_path, more, reason):
    with pytest.raises(StreamError, match=reason):
        run(tmp_path, registry, more)


def test_keys_whose_equal_values_differ_are_refused(registry, tmp_path):
    """NaN is no key: an alert of it would never close."""
    definition = DEFINITION.replace('key = ["sensor"]', 'key = ["heat"]')
    with pytest.raises(StreamError, match="key heat is double"):
        run(tmp_path, registry, definition=definition)


def test_an_infinite_score_opens_an_alert_that_is_published(registry, tmp_path, bus):
    bus.make_stream("ALERTS", ["alerts"])
    (tmp_path / "events").mkdir()
    rows = [
        {"event_id": str(x), "sensor": "a", "t": "2026-01-01T00:00:00", "x": x, "n": 1}
        for x in (10.0, 5.0, 0.0)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "events" / "p.jsonl").write_text(lines)
    endless = "CASE WHEN x > 9 THEN 'inf' WHEN x < 1 THEN '-inf' ELSE 'nan' END::DOUBLE"
    definition = DEFINITION.replace(
        "predict_heat(e) AS heat FROM", f"predict_heat(e) AS warmth, {endless} AS heat FROM"
    )
    run(tmp_path, registry, f'subject = "alerts"\nbus = "{bus.url}"', definition)
    found = [(body["alert"], body["score"]) for _, body in received(bus)]
    [(time, _), *_] = read(tmp_path, "SELECT event_time, alert FROM alerts ORDER BY event_time")
    assert time == datetime(2026, 1, 1)  # noqa: DTZ001 - TIMESTAMP has no zone
    assert found == [("opened", "Infinity"), ("closed", "-Infinity")]
    assert [row[4] for row in alerts(tmp_path)] == [float("inf"), float("-inf")]
