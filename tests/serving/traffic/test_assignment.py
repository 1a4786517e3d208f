"""A key's place: the same for ever, on every engine, and spread evenly."""

import math
from datetime import datetime

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.serving.traffic.assignment import PLACES, key_of, limit_of, place_of

PERCENTS = st.floats(0, 100) | st.integers(0, 100)


@settings(deadline=None)
@given(st.text(), PERCENTS, PERCENTS)
def test_a_larger_percentage_only_adds_keys(key, one, other):
    small, large = sorted((one, other))
    place = place_of("delay", "", key)
    assert place == place_of("delay", "", key)
    assert not (place < limit_of(small) and place >= limit_of(large))


def test_no_and_all_keys():
    assert limit_of(0) == 0
    assert limit_of(100.0) == PLACES
    assert limit_of(0.1) == PLACES // 1000


@pytest.mark.parametrize("percent", [0.5, 5, 50, 95])
def test_percentages_are_met(percent):
    keys = 40_000
    taken = sum(place_of("delay", "", str(key)) < limit_of(percent) for key in range(keys))
    expected = keys * percent / 100
    assert abs(taken - expected) < 5 * math.sqrt(expected * (1 - percent / 100))


def test_models_and_salts_choose_others():
    def chosen(model, salt):
        return {key for key in range(2000) if place_of(model, salt, str(key)) < limit_of(10)}

    groups = [chosen("delay", ""), chosen("late", ""), chosen("delay", "spring")]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert len(groups[one] & groups[other]) < 60


@settings(deadline=None, max_examples=40)
@given(st.text())
def test_duckdb_finds_the_same_place(key):
    query = "SELECT ('0x' || left(sha256('delay/spring/' || $1), 16))::UBIGINT"
    with duckdb.connect() as connection:
        assert connection.execute(query, [key]).fetchall() == [(place_of("delay", "spring", key),)]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, None),
        (math.nan, None),
        (42, "42"),
        (42.0, "42"),
        ("42", "42"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
        (math.inf, "inf"),
        (True, "true"),
        ("", ""),
        (datetime(2013, 1, 2, 3), "2013-01-02T03:00:00"),  # noqa: DTZ001 - a column's time
    ],
)
def test_keys_are_texts(value, key):
    assert key_of(value) == key
