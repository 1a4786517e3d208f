"""Features over windows: each event once, and the bits of the batch, however events arrive."""

import os
from dataclasses import replace

import pytest
import windowed_events
from mortal_workers import workers
from windowed_events import Events, chance

from foresql.errors import StreamError
from foresql.streams.events.records import MovedError
from foresql.streams.events.windows import features

KILLS = int(os.environ.get("FORESQL_KILLS", "2"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("windows") / "registry"
    windowed_events.publish_model(path)
    return path


def in_order(folder):
    """Whether each partition's predictions were written by event time, then offset."""
    rows = windowed_events.predicted(folder)
    places = {row["event_partition"]: [] for row in rows}
    for row in rows:
        places[row["event_partition"]].append((row["t"], row["event_offset"]))
    return all(found == sorted(found) for found in places.values())


@pytest.mark.parametrize(("seed", "pairs"), [(0, 0), (1, 1e9), (2, features.PAIRS)])
def test_predictions_are_those_of_the_batch(registry, tmp_path, monkeypatch, seed, pairs):
    """However events are cut into batches, and workers die; by windows and by joins."""
    monkeypatch.setattr(features, "PAIRS", pairs)
    events = Events(seed, count=120)
    definition = windowed_events.write_definition(tmp_path)
    windowed_events.run_through(definition, registry, events, draw=chance(seed))
    rows = [row for rows in events.by_partition.values() for row in rows]
    expected = windowed_events.in_batch(tmp_path, registry, rows)
    assert len(expected) > len(rows) / 2
    assert windowed_events.keyed(windowed_events.predicted(tmp_path)) == expected
    assert windowed_events.late_ones(events) == set()
    assert windowed_events.dead(tmp_path) == []
    assert in_order(tmp_path)


def test_late_timeless_wrong_and_repeated_events_are_told_apart(registry, tmp_path):
    """What is late does not depend on batches; the rest equals the batch without those."""
    events = Events(7, count=160, partitions=1)
    rows = events.by_partition["p0"]
    for place in (40, 90, 150):
        rows[place] |= {"t": rows[place]["t"] - windowed_events.LATENESS * 2}
    rows[60] |= {"t": None}
    rows[61] |= {"x": 1e300}  # no DECIMAL(18, 6)
    rows[100:100] = [dict(rows[99]), dict(rows[80])]  # published twice
    late = windowed_events.late_ones(Kept(rows, without={60, 61, 100, 101}))
    found = []
    for most in (15, 60):
        folder = tmp_path / str(most)
        folder.mkdir()
        definition = windowed_events.write_definition(folder, events='id = ["event_id"]')
        windowed_events.run_through(definition, registry, events, draw=chance(most), most=most)
        good = {row["event_id"]: row for row in rows}
        for name in (rows[60]["event_id"], rows[61]["event_id"], *late):
            del good[name]
        expected = windowed_events.in_batch(folder, registry, list(good.values()))
        assert windowed_events.keyed(windowed_events.predicted(folder)) == expected
        found.append(windowed_events.dead(folder))
    assert found[0] == found[1]
    steps = {offset: step for _, offset, step, _ in found[0]}
    assert steps.pop(60) == "time"
    assert steps.pop(61) == "score"
    assert late
    assert {rows[offset]["event_id"] for offset in steps} == late
    assert set(steps.values()) == {"late"}


class Kept:
    """Events but for some that never come into windows."""

    def __init__(self, rows, without):
        self.by_partition = {"p": [row for i, row in enumerate(rows) if i not in without]}


def test_a_worker_that_was_overtaken_writes_nothing(registry, tmp_path):
    """Two workers on one partition, and a flush by one, which moves no offset."""
    rows = Events(5, count=60, partitions=1).by_partition["p0"]
    definition = windowed_events.write_definition(tmp_path)
    one = windowed_events.Worker(definition, registry)
    other = windowed_events.Worker(definition, registry)
    for worker in (one, other):
        outcome = worker.take({"p0": (0, rows[:40])})
        if worker is one:
            worker.sink.write(outcome)
    with pytest.raises(StreamError, match="moved"):
        other.sink.write(outcome)
    other.windows.drop()
    outcome = other.take({"p0": (40, rows[40:])})
    flushed = one.windows.advance(["p0"], flush=True)
    one.sink.write(one.outcome(flushed, {}))
    with pytest.raises(StreamError, match="moved"):
        other.sink.write(outcome)
    one.close()
    other.close()
    expected = windowed_events.in_batch(tmp_path, registry, rows[:40])
    assert windowed_events.keyed(windowed_events.predicted(tmp_path)) == expected


def test_idle_partitions_are_scored_to_their_end(registry, tmp_path):
    rows = Events(6, count=50, partitions=1).by_partition["p0"]
    definition = windowed_events.write_definition(tmp_path, window='idle = "1 ms"')
    worker = windowed_events.Worker(definition, registry)
    worker.sink.write(worker.take({"p0": (0, rows)}))
    taken = None
    while taken is None:
        taken = worker.windows.advance(["p0"])
    worker.sink.write(worker.outcome(taken, {}))
    assert worker.windows.advance(["p0"]) is None
    worker.close()
    expected = windowed_events.in_batch(tmp_path, registry, rows)
    assert windowed_events.keyed(windowed_events.predicted(tmp_path)) == expected


def test_events_of_a_key_in_a_wrong_partition_are_dead_letters(registry, tmp_path):
    """However events are cut and workers die; the rest equals the batch without those."""
    events = Events(8, count=120)
    for place, row in enumerate(events.by_partition["p1"]):
        if place % 9 == 5:
            row["sensor"] = f"s0-{place % 3}"  # of the other partition
    definition = windowed_events.write_definition(tmp_path)
    windowed_events.run_through(definition, registry, events, draw=chance(8), most=30)
    wrong = [(partition, offset) for partition, offset, step, _ in windowed_events.dead(tmp_path)]
    assert len(wrong) > 10
    rest = {
        (partition, offset): row
        for partition, rows in events.by_partition.items()
        for offset, row in enumerate(rows)
        if (partition, offset) not in wrong
    }
    owners = {(row["sensor"], partition) for (partition, _), row in rest.items()}
    assert len(owners) == len({sensor for sensor, _ in owners})
    for partition, offset, step, reason in windowed_events.dead(tmp_path):
        sensor = events.by_partition[partition][offset]["sensor"]
        [owner] = [each for own, each in owners if own == sensor]
        assert owner != partition
        assert (step, reason) == (
            "key",
            f"events of its key came in the partition {owner} before",
        )
    expected = windowed_events.in_batch(tmp_path, registry, list(rest.values()))
    assert windowed_events.keyed(windowed_events.predicted(tmp_path)) == expected


def test_of_two_workers_with_one_key_the_first_has_it(registry, tmp_path):
    """Neither sees what the other has not written yet; the later batch is made anew."""
    rows = Events(8, count=20, partitions=1).by_partition["p0"]
    definition = windowed_events.write_definition(tmp_path)
    one, other = (windowed_events.Worker(definition, registry) for _ in range(2))
    outcomes = one.take({"p0": (0, rows[:10])}), other.take({"p1": (0, rows[10:])})
    one.sink.write(outcomes[0])
    with pytest.raises(MovedError):
        other.sink.write(outcomes[1])
    assert other.offset("p1") == -1
    other.windows.drop()
    taken = other.take({"p1": (0, rows[10:])})
    other.sink.write(taken)
    first = {row["sensor"] for row in rows[:10]}
    wrong = [row["sensor"] in first for row in rows[10:]]
    assert taken.dead.num_rows == sum(wrong) > 0
    one.close()
    other.close()


def test_a_key_with_its_partition_may_be_in_all(registry, tmp_path):
    rows = Events(8, count=20, partitions=1).by_partition["p0"]
    query = windowed_events.QUERY.replace("sensor, t, x,", "sensor, t, x, event_partition,", 1)
    query = query.replace("PARTITION BY c.sensor", "PARTITION BY c.sensor, c.event_partition")
    query = query.replace("PARTITION BY sensor", "PARTITION BY sensor, event_partition")
    definition = windowed_events.write_definition(tmp_path, query=query)
    window = replace(definition.window, key=("sensor", "event_partition"))
    worker = windowed_events.Worker(replace(definition, window=window), registry)
    assert worker.windows.claims == ()
    assert worker.take({"p0": (0, rows), "p1": (0, rows)}).dead.num_rows == 0
    worker.close()


def test_a_longer_lookback_than_what_was_kept_is_refused(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("foresql.streams.events.windows.memory._LEAST_FORGOTTEN", 10)
    rows = Events(9, count=200, partitions=1).by_partition["p0"]
    definition = windowed_events.write_definition(tmp_path)
    worker = windowed_events.Worker(definition, registry)
    worker.sink.write(worker.take({"p0": (0, rows[:150])}))
    worker.close()
    longer = windowed_events.QUERY.replace("'5 minutes'", "'50 minutes'")
    definition = windowed_events.write_definition(tmp_path, query=longer)
    worker = windowed_events.Worker(definition, registry)
    with pytest.raises(StreamError, match="were forgotten by an earlier query"):
        worker.take({"p0": (150, rows[150:])})
    worker.close()


def test_another_time_of_the_events_is_refused(registry, tmp_path):
    """What was forgotten and scored went by the one before."""
    rows = Events(10, count=40, partitions=1).by_partition["p0"]
    definition = windowed_events.write_definition(tmp_path)
    worker = windowed_events.Worker(definition, registry)
    worker.sink.write(worker.take({"p0": (0, rows[:20])}))
    worker.close()
    query = windowed_events.QUERY.replace("ORDER BY t", "ORDER BY event_published")
    query = query.replace("event_id, sensor, t, x,", "event_id, sensor, t, x, event_published,")
    query = query.replace("ORDER BY c.t", "ORDER BY c.event_published")
    definition = windowed_events.write_definition(tmp_path, query=query)
    definition = replace(definition, events=replace(definition.events, time="event_published"))
    worker = windowed_events.Worker(definition, registry)
    with pytest.raises(StreamError, match="were kept and scored by t"):
        worker.take({"p0": (20, rows[20:])})
    worker.close()


def test_a_killed_worker_loses_and_repeats_nothing(registry, tmp_path):
    """Through the command, with real deaths; the file's order is the order of arrival."""
    events = Events(11, count=45 * KILLS, seconds=1200 * KILLS)
    windowed_events.write_definition(tmp_path, window="[batch]\nmost = 15")
    windowed_events.write_files(tmp_path, events)
    with workers(tmp_path / "worker.toml", registry) as started:
        died = [
            windowed_events.kill_at_work(started, tmp_path, chance(life), KILLS)
            for life in range(KILLS)
        ]
        worker = started.start("--until-empty", "--flush")
        assert started.end(worker) == 0, started.log.read_text()
    assert sum(died) >= KILLS / 2
    rows = [row for rows in events.by_partition.values() for row in rows]
    expected = windowed_events.in_batch(tmp_path, registry, rows)
    assert windowed_events.keyed(windowed_events.predicted(tmp_path)) == expected
    assert windowed_events.dead(tmp_path) == []
