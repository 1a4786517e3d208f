"""Features over windows: each event once, and the bits of the batch, however events arrive."""

import random

import pytest
import windowed_events
from windowed_events import Events


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("windows") / "registry"
    windowed_events.publish_model(path)
    return path


@pytest.mark.parametrize("seed", range(4))
def test_predictions_are_those_of_the_batch(registry, tmp_path, seed):
    events = Events(seed)
    definition = windowed_events.write_definition(tmp_path)
    windowed_events.run_through(definition, registry, events, draw=random.Random(seed))
    late = windowed_events.late_ones(events)
    rows = [row for rows in events.by_partition.values() for row in rows]
    found = windowed_events.predicted(tmp_path)
    expected = windowed_events.in_batch(
        tmp_path, registry, [row for row in rows if row["event_id"] not in late]
    )
    assert len(expected) > len(rows) / 2
    assert windowed_events.keyed(found) == expected
    assert not late
    assert windowed_events.dead(tmp_path) == []


def test_a_killed_worker_loses_and_repeats_nothing(registry, tmp_path):
    """Through the command, with real deaths; the file's order is the order of arrival."""
    events = Events(11, count=600)
    windowed_events.write_definition(tmp_path, window="[batch]\nmost = 40")
    windowed_events.write_files(tmp_path, events)
    draw = random.Random(3)
    for _ in range(4):
        windowed_events.kill_at_work(tmp_path, registry, draw)
    worker = windowed_events.start(tmp_path, registry)
    assert worker.wait() == 0
    rows = [row for rows in events.by_partition.values() for row in rows]
    expected = windowed_events.in_batch(tmp_path, registry, rows)
    assert windowed_events.keyed(windowed_events.predicted(tmp_path)) == expected
    assert windowed_events.dead(tmp_path) == []
