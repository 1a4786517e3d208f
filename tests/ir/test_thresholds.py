"""Thresholds whose cast was removed split every double as the cast did."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresql.ir.thresholds import (
    LARGEST_TO_FLOAT32,
    LIGHTGBM_ZERO,
    around_zero,
    at_most_float32,
    below_float32,
)

anything = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


def around(*values):
    """The values, their neighbours, and what lies at the ends of both formats."""
    exact = np.array([*values, 0.0, -0.0, 5e-324, 1e-45, 7e-46, 3.4028235677973366e38, np.inf])
    exact = np.concatenate([exact, -exact])
    near = [exact]
    for direction in (np.inf, -np.inf):
        step = exact
        for _ in range(2):
            with np.errstate(over="ignore"):
                step = np.nextafter(step, direction)
            near.append(step)
    return np.concatenate(near)


def single(values):
    """Round to float32, and give the result as float64."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float64).astype(np.float32).astype(np.float64)


@given(finite, anything)
def test_at_most(threshold, value):
    limit = at_most_float32(np.array([threshold]))
    for x in around(threshold, limit[0], value, single(threshold)):
        assert (x <= limit[0]) == (single(x) <= threshold)


@given(singles, anything)
def test_below(threshold, value):
    limit = below_float32(np.array([threshold]))
    for x in around(threshold, limit[0], value):
        assert (x <= limit[0]) == (single(x) < threshold)


@given(finite, anything)
def test_around_zero(threshold, value):
    limit = around_zero(np.array([threshold]))
    for x in around(threshold, limit[0], value, LIGHTGBM_ZERO):
        stored = 0.0 if abs(x) <= LIGHTGBM_ZERO else x
        assert (x <= limit[0]) == (stored <= threshold)


@pytest.mark.parametrize("remove", [at_most_float32, below_float32, around_zero])
def test_the_order_of_thresholds_is_kept(remove):
    thresholds = np.sort(single(np.random.default_rng(0).normal(size=500)))
    assert (np.diff(remove(thresholds)) >= 0).all()


def test_the_largest_number_that_float32_holds():
    beyond = np.nextafter(LARGEST_TO_FLOAT32, np.inf)
    assert np.isfinite(single([LARGEST_TO_FLOAT32, -LARGEST_TO_FLOAT32])).all()
    assert np.isinf(single([beyond, -beyond])).all()


def test_an_infinite_threshold_stays_infinite():
    assert at_most_float32(np.array([np.inf])) == [np.inf]
