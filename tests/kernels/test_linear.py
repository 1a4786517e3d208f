import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer

NUMBERS = st.floats(-1e200, 1e200)
EPSILON = float(np.finfo(np.float64).eps)


def make_model(weights, intercepts) -> Model:
    inputs = tuple(f"x{index}" for index in range(len(weights)))
    outputs = tuple(f"y{index}" for index in range(len(intercepts)))
    step = s.Dot(inputs, outputs, np.array(weights, float), np.array(intercepts, float))
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in inputs)
    return Model(Signature(columns), (step,), Outputs(outputs))


def table(rows: np.ndarray) -> pa.Table:
    return pa.table([pa.array(x) for x in rows.T], names=[f"x{i}" for i in range(rows.shape[1])])


def add_up(rows: np.ndarray, weights, intercepts) -> list[list[float]]:
    """Add the terms in the order of the inputs and the intercept last, one rounding each."""
    sums = []
    for row in rows.tolist():
        sums.append([])
        for output, intercept in enumerate(intercepts):
            total = 0.0
            for x, row_weights in zip(row, weights, strict=True):
                total += x * row_weights[output]
            sums[-1].append(total + intercept)
    return sums


@settings(max_examples=100, deadline=None)
@given(data=st.data(), inputs=st.integers(1, 12), outputs=st.integers(1, 4))
def test_sums_are_those_of_a_plain_loop(data, inputs, outputs):
    lists = st.lists(NUMBERS, min_size=outputs, max_size=outputs)
    weights = data.draw(st.lists(lists, min_size=inputs, max_size=inputs))
    intercepts = data.draw(lists)
    row = st.lists(NUMBERS, min_size=inputs, max_size=inputs)
    rows = np.array(data.draw(st.lists(row, min_size=1, max_size=6)))
    made = Scorer(make_model(weights, intercepts)).score(table(rows)).prediction
    assert np.array_equal(made, np.array(add_up(rows, weights, intercepts)), equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), inputs=st.integers(1, 300))
def test_sums_are_within_the_bound_of_exact_ones(seed, inputs):
    """Higham, section 3.1: the error is at most n roundings of the sum of absolute terms."""
    rng = np.random.default_rng(seed)
    rows, weights = rng.normal(size=(3, inputs)), rng.normal(size=(inputs, 1))
    made = Scorer(make_model(weights, [0.5])).score(table(rows)).prediction[:, 0]
    for total, row in zip(made.tolist(), rows, strict=True):
        terms = (row * weights[:, 0]).tolist()
        bound = (inputs + 2) * EPSILON * (math.fsum(map(abs, terms)) + 0.5)
        assert abs(total - (math.fsum(terms) + 0.5)) <= bound


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_a_row_s_bits_do_not_depend_on_its_batch(seed, cuts):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, 9)) * 10.0 ** rng.integers(-8, 9, 9)
    scorer = Scorer(make_model(rng.normal(size=(9, 3)), rng.normal(size=3)))
    whole = scorer.score(table(rows)).prediction
    parts = [scorer.score(table(part)).prediction for part in np.split(rows, sorted(cuts))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    alone = [scorer.score(table(rows[i : i + 1])).prediction for i in range(40)]
    assert np.concatenate(alone).tobytes() == whole.tobytes()


def test_special_values_go_through():
    rows = np.array([[-0.0, 0.0], [5e-324, 1.0], [np.inf, 1.0], [np.inf, -np.inf], [np.nan, 1.0]])
    made = Scorer(make_model([[1.0], [1.0]], [-0.0])).score(table(rows)).prediction[:, 0]
    assert repr(made.tolist()) == repr([0.0, 1.0, math.inf, math.nan, math.nan])


def test_no_rows():
    made = Scorer(make_model([[1.0]], [2.0])).score(table(np.zeros((0, 1))))
    assert made.prediction.shape == (0, 1)


# --- one-hot columns, which are kept as codes -----------------------------------------------------

KEYS = (3.0, 1.0, 7.0, 2.5)


def one_hot_model(order: list[str], weights: np.ndarray) -> Model:
    """Spread two key columns; ``order`` names the inputs of the dot product, in any order."""
    steps = []
    for name in ("k", "l"):
        steps += [
            s.Lookup((name,), (f"{name} code",), "test", KEYS, np.arange(4.0), math.nan, math.nan),
            s.OneHot(
                (f"{name} code",),
                tuple(f"{name}{position}" for position in range(4)),
                np.array([2.0, 0, 3, 1]),
            ),
        ]
    outputs = tuple(f"y{index}" for index in range(weights.shape[1]))
    steps.append(s.Dot(tuple(order), outputs, weights, np.zeros(weights.shape[1])))
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in ("k", "l", "x"))
    return Model(Signature(columns), tuple(steps), Outputs(outputs))


INDICATORS = [f"{name}{position}" for name in ("k", "l") for position in range(4)]


@settings(max_examples=100, deadline=None)
@given(
    order=st.lists(st.sampled_from([*INDICATORS, "x"]), min_size=1, max_size=20),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_hot_columns_in_any_order_and_number(order, seed):
    """The columns of two encoders, mixed, left out, repeated, and between numbers."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(len(order), 2))
    keys = rng.choice([*KEYS, 99.0, np.nan, -0.0], (25, 2))
    x = rng.normal(size=25)
    code = {key: number for number, key in enumerate(KEYS)}
    shown = {0: 2.0, 1: 0.0, 2: 3.0, 3: 1.0}
    columns = {"x": x}
    for name, values in zip(("k", "l"), keys.T, strict=True):
        for position in range(4):
            hot = [code.get(value) == shown[position] for value in values.tolist()]
            columns[f"{name}{position}"] = np.array(hot, float)
    rows = np.stack([columns[name] for name in order], axis=1)
    arrow = pa.table({"k": keys[:, 0], "l": keys[:, 1], "x": x})
    made = Scorer(one_hot_model(order, weights)).score(arrow).prediction
    assert made.tolist() == add_up(rows, weights.tolist(), [0.0, 0.0])


def test_an_integer_column_is_a_key_and_a_number():
    steps = (
        s.Lookup(("n",), ("code",), "test", (5, 7), np.array([0.0, 1.0]), math.nan, math.nan),
        s.OneHot(("code",), ("is 5", "is 7"), np.array([0.0, 1.0])),
        s.Dot(("is 5", "n", "is 7"), ("y",), np.array([[10.0], [1.0], [100.0]]), np.zeros(1)),
    )
    model = Model(Signature((Column("n", ColumnType.BIGINT),)), steps, Outputs(("y",)))
    made = Scorer(model).score(pa.table({"n": pa.array([5, 7, 2**53 + 1], pa.int64())}))
    assert made.prediction[:, 0].tolist() == [15.0, 107.0, 2.0**53]


@pytest.mark.parametrize("order", [INDICATORS, ["x", *INDICATORS]])
def test_threads_share_a_kernel(order):
    rng = np.random.default_rng(0)
    scorer = Scorer(one_hot_model(order, rng.normal(size=(len(order), 3))))

    def score(seed):
        rows = np.random.default_rng(seed)
        keys = rows.choice(KEYS, (400 + seed, 2))
        arrow = pa.table({"k": keys[:, 0], "l": keys[:, 1], "x": rows.normal(size=400 + seed)})
        return scorer.score(arrow).prediction.tobytes()

    expected = [score(seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(score, range(24))) == expected
