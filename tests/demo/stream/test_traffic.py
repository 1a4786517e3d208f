import json
from datetime import datetime

import numpy as np
import pytest

from foresql.demo.stream.machines import BEARING, COOLING, INTERVAL, MACHINES, Fault, simulate
from foresql.demo.stream.query import LATENESS
from foresql.demo.stream.traffic import BEGINS, PARTITIONS, Story, plan_traffic

READINGS = 400


@pytest.fixture(scope="module")
def traffic():
    return plan_traffic(READINGS, Story())


def test_signals_come_from_their_seed():
    first, same, other = (simulate(50, [], seed).vibration for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("kind", "least_vibration", "least_heat"), [(BEARING, 2.0, 5.0), (COOLING, 0.9, 20.0)]
)
def test_a_fault_shows_until_it_is_repaired(kind, least_vibration, least_heat):
    begins, fails = 100 * INTERVAL, 900 * INTERVAL
    fault = Fault(3, kind, begins, fails, fails)
    well, worn = simulate(1200, [], 5), simulate(1200, [fault], 5)
    before, during, after = slice(0, 100), slice(880, 900), slice(1150, 1200)
    assert np.array_equal(well.vibration[before], worn.vibration[before])
    ratio = worn.vibration[during, 3].mean() / well.vibration[during, 3].mean()
    heat = worn.temperature[during, 3].mean() - well.temperature[during, 3].mean()
    assert ratio > least_vibration
    assert heat > least_heat
    assert np.array_equal(well.vibration[after], worn.vibration[after])
    assert np.array_equal(np.delete(well.vibration, 3, 1), np.delete(worn.vibration, 3, 1))


def test_all_messages_are_accounted_for(traffic):
    others = traffic.twice + traffic.late + traffic.malformed + traffic.future + PARTITIONS
    assert len(traffic.messages) == traffic.events.num_rows + others
    assert traffic.events.num_rows + traffic.late == READINGS * len(MACHINES)
    assert min(traffic.twice, traffic.late, traffic.malformed, traffic.future) > 0
    assert [each.at for each in traffic.messages] == sorted(each.at for each in traffic.messages)


def test_what_is_late_is_late_on_the_bus(traffic):
    """A watermark a partition, held against the plan: the worker is not asked."""
    greatest = [0.0] * PARTITIONS
    scored, late, broken, out_of_order = set(), 0, 0, 0
    for _, partition, payload in traffic.messages:
        row = read(payload)
        if row is None or row["reading_id"] == "broken":
            broken += 1
            continue
        at = (datetime.fromisoformat(row["measured_at"]) - BEGINS).total_seconds()
        if at < greatest[partition] - LATENESS:
            late += 1
        elif not row["reading_id"].startswith("closing"):
            scored.add(row["reading_id"])
        out_of_order += greatest[partition] - LATENESS <= at < greatest[partition]
        greatest[partition] = max(greatest[partition], at)
    assert late == traffic.late
    assert broken == traffic.malformed + traffic.future
    assert scored == set(traffic.events["reading_id"].to_pylist())
    assert out_of_order > 0.03 * len(scored)


def read(payload):
    try:
        return json.loads(payload)
    except ValueError:
        return None
