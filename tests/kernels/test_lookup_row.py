"""A lookup of rows, and fmath's exponential, against the plainest Python that says the same."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer, fmath

CELLS = st.sampled_from([0.0, -0.0, 1.0, 2.0, -1.0, 1e300, math.inf, math.nan])


@settings(deadline=None)
@given(st.data(), st.integers(1, 3))
def test_rows_are_found_by_value(data, width):
    row = st.tuples(*[CELLS] * width)
    keys = data.draw(st.lists(row.filter(lambda r: r == r), min_size=1, max_size=9))  # noqa: PLR0124
    keys = [key for key in dict.fromkeys(keys) if not any(map(math.isnan, key))] or [(0.0,) * width]
    values = {key: (float(place), -float(place)) for place, key in enumerate(keys)}
    names = tuple(f"x{place}" for place in range(width))
    step = s.LookupRow(
        names, ("a", "b"), np.array(keys), np.array(list(values.values())), np.array([0.5, 1.5])
    )
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in names)
    scorer = Scorer(Model(Signature(columns), (step,), Outputs(("a", "b"))))
    asked = [*keys, *data.draw(st.lists(row, max_size=9))]
    table = pa.table([pa.array(column, pa.float64()) for column in zip(*asked, strict=True)], names)
    expected = [values.get(key, (0.5, 1.5)) for key in asked]
    assert scorer.score(table).prediction.tolist() == [list(pair) for pair in expected]


def test_many_columns_are_no_large_product():
    keys = np.array(list(itertools.product(range(3), repeat=6)), float)
    keys = np.repeat(keys, 12, axis=1)
    step = s.LookupRow(
        tuple(f"x{place}" for place in range(72)),
        ("y",),
        keys,
        np.arange(729.0)[:, None],
        np.array([-1.0]),
    )
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in step.inputs)
    scorer = Scorer(Model(Signature(columns), (step,), Outputs(("y",))))
    table = pa.table(list(keys.T), list(step.inputs))
    assert scorer.score(table).prediction[:, 0].tolist() == list(range(729))


@pytest.mark.parametrize("exp", [fmath.exp_of_four, fmath.exp_of_rest])
def test_fmath_is_an_exponential(exp):
    x = np.concatenate([np.linspace(-708.3, 709.7, 5000), np.linspace(-2, 2, 5000)])
    expected = np.array([math.exp(value) for value in x.tolist()])
    assert (np.abs(exp(x) / expected - 1) < 1e-13).all()
    assert exp(np.array([0.0, -0.0])).tolist() == [1.0, 1.0]
    assert np.isnan(exp(np.array([math.nan]))).all()


def test_fmath_beyond_the_range():
    far = np.array([-709.0, -math.inf, 710.0, math.inf])
    assert fmath.exp_of_rest(far).tolist() == [0.0, 0.0, math.inf, math.inf]
    assert fmath.exp_of_four(far[:2]).tolist() == [np.finfo(float).tiny] * 2
    assert fmath.exp_of_four(far[2:]).tolist() == [math.inf] * 2
