"""Remembered answers are never wrong."""

import threading
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMRegressor

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.udfs import recent
from foresql.udfs.recent import OnceScorer

ODD = [0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, np.inf, -np.inf, np.nan, None, 2.0**53, 0.1, -0.1]


def reader() -> Model:
    """A model whose outputs tell every row of different bits apart, -0.0 from 0.0 too."""
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in "ab")
    columns += (Column("k", ColumnType.VARCHAR),)
    keys, none = ("x", "y", ""), float("nan")
    steps = (
        s.Lookup(("k",), ("code",), "k", keys, np.array([1.0, 2, 3]), -1.0, none),
        s.Arithmetic(("a",), ("a1",), s.Operator.DIVIDE, np.array([1.0])),
        s.Arithmetic(("b",), ("b1",), s.Operator.MULTIPLY, np.array([1.0])),
    )
    outputs = Outputs(("a1", "b1", "code"), margins=("b1",))
    return Model(Signature(columns), steps, outputs)


SCORER = Scorer(reader())
CELLS = st.sampled_from(ODD)
ROWS = st.tuples(CELLS, CELLS, st.sampled_from(["x", "y", "", "z", None]))
BATCHES = st.lists(st.lists(ROWS, max_size=12), max_size=8)


def struct_of(rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = [pa.float64(), pa.float64(), pa.string()]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.StructArray.from_arrays(arrays, ["a", "b", "k"])


def bits(scores):
    return [
        (array.shape, array.tobytes())
        for array in (scores.prediction, scores.probabilities, scores.margins)
    ]


def check(once, rows):
    struct = struct_of(rows)
    assert bits(once.score(struct)) == bits(SCORER.score(struct))


@settings(max_examples=60, deadline=None)
@given(BATCHES, st.randoms(use_true_random=False))
def test_any_batches_in_any_order(batches, random):
    """Whole batches again, parts of them, rows of several, and each row twice."""
    once = OnceScorer(SCORER)
    everything = [row for batch in batches for row in batch]
    for batch in batches:
        check(once, batch)
    for batch in batches:
        check(once, [row for row in batch if random.random() < 0.5])
        check(once, batch + batch)
        check(once, batch[::-1])
    check(once, everything)
    check(once, [row for row in everything if random.random() < 0.3])
    check(once, random.sample(everything, len(everything)))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=12))
def test_columns_whose_signs_or_places_are_swapped_are_other_rows(rows):
    """Fingerprints of such rows are alike under simple mixing."""
    once = OnceScorer(SCORER)
    check(once, rows)
    check(once, [(b, a, k) for a, b, k in rows])
    for sign in ((-1, 1), (1, -1), (-1, -1)):
        flipped = [
            (a if a is None else sign[0] * a, b if b is None else sign[1] * b, k)
            for a, b, k in rows
        ]
        check(once, flipped)


@settings(max_examples=30, deadline=None)
@given(BATCHES)
def test_equal_fingerprints_are_not_trusted(batches):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent, "_fingerprints", lambda columns: np.zeros_like(columns[0]))
        once = OnceScorer(SCORER)
        for batch in [*batches, *batches]:
            check(once, batch)


def test_zeros_of_both_signs_are_told_apart():
    once = OnceScorer(SCORER)
    for rows in ([(0.0, 1.0, "x")], [(-0.0, 1.0, "x")], [(0.0, 1.0, "x"), (-0.0, 1.0, "x")]):
        check(once, rows)
    assert once.rows_scored == 2


def test_missing_values_are_remembered():
    once = OnceScorer(SCORER)
    rows = [(None, np.nan, None), (1.0, 2.0, None)]
    check(once, rows)
    check(once, rows)
    assert once.rows_scored == 2


def test_rows_of_several_batches_are_found_in_their_order():
    once = OnceScorer(SCORER)
    batches = [[(float(i), float(j), "x") for j in range(20)] for i in range(5)]
    for batch in batches:
        check(once, batch)
    check(once, [row for batch in batches for row in batch[::3]])
    assert once.rows_scored == 100
    check(once, [(9.0, 9.0, "y")])
    assert once.rows_scored == 101


def many_rows(start, rows=recent.TRIAL_ROWS):
    return [(float(start), float(i), "x") for i in range(rows)]


@pytest.fixture
def clock(monkeypatch):
    """Let scoring take as long as is asked, and everything else a second."""
    now = [0.0]

    def tick():
        now[0] += 1.0
        return now[0]

    def scoring(seconds):
        def score(batch):
            now[0] += seconds - 1.0
            return SCORER.score(batch)

        parts = {"model": SCORER.model, "decoder": SCORER.decoder, "program": SCORER.program}
        return OnceScorer(SimpleNamespace(**parts, score=score))

    monkeypatch.setattr(recent, "perf_counter", tick)
    return scoring


@pytest.mark.parametrize(("seconds", "pays"), [(15.9, False), (16.0, True)])
def test_rows_are_remembered_where_scoring_takes_eight_times_as_long(clock, seconds, pays):
    """Remembering takes two ticks of the clock: one to look, one to keep."""
    once = clock(seconds)
    for start in range(recent.TRIAL_BATCHES - 1):
        check(once, many_rows(start))
        check(once, many_rows(start, 10))  # remembered, and too short to count
    assert once.remembers_rows
    assert once._trial.pays is None
    check(once, many_rows(-1))
    assert once.remembers_rows is once._trial.pays is pays
    scored = once.rows_scored
    check(once, many_rows(-1)[::2])
    assert once.rows_scored - scored == (0 if pays else recent.TRIAL_ROWS // 2)
    assert bool(once._memories) is pays


def test_one_slow_batch_does_not_decide(clock):
    once = clock(2.0)
    for start in range(recent.TRIAL_BATCHES):
        once.scorer.score = SCORER.score if start else clock(500.0).scorer.score
        check(once, many_rows(start))
    assert not once.remembers_rows


def test_a_model_that_is_kept_whole_is_always_remembered(clock, monkeypatch):
    """A library may give a row other last bits among other rows."""
    monkeypatch.setattr(recent, "WORTH", np.inf)
    step = s.Onnx(("a",), ("o",), (s.Cell.NUMBER,), np.zeros(1, np.uint8), ("y",), ())
    once = clock(1.0)
    once._trial = recent._Trial(SimpleNamespace(model=SimpleNamespace(steps=(step,))))
    for start in range(2 * recent.TRIAL_BATCHES):
        check(once, many_rows(start))
    scored = once.rows_scored
    check(once, many_rows(0)[::2])
    assert once.rows_scored == scored


def test_a_cheap_model_still_knows_its_last_call(clock):
    once = clock(1.0)
    for start in range(recent.TRIAL_BATCHES):
        check(once, many_rows(start))
    assert not once.remembers_rows
    for rows in (many_rows(99), [(None, -0.0, None)], [(None, 0.0, None)], [(0.0, -0.0, "")]):
        scored = once.rows_scored
        for _ in range(3):
            check(once, rows)
        assert once.rows_scored - scored == len(rows)


def test_equal_memory_at_another_place_is_another_call(clock):
    once = clock(1.0)
    once._trial.pays = False
    names, keys = ["a", "b", "k"], pa.array(["x"] * 4)
    whole = pa.array(np.arange(5.0))
    for start in (0, 1):
        for length in (3, 4):
            columns = [column.slice(start, length) for column in (whole, whole)]
            struct = pa.StructArray.from_arrays([*columns, keys[:length]], names)
            assert bits(once.score(struct)) == bits(SCORER.score(struct))
    struct = pa.StructArray.from_arrays([whole[:4], whole[:4], keys], names)
    for part in (struct, struct[:2], struct[2:], struct[1:3]):
        assert bits(once.score(part)) == bits(SCORER.score(part))


def test_an_empty_batch_is_no_row():
    once = OnceScorer(SCORER)
    check(once, [])
    assert once.rows_scored == 0


def test_memory_is_bounded_answers_included(monkeypatch):
    monkeypatch.setattr(recent, "MEMORY_BYTES", 4000)
    once = OnceScorer(SCORER)
    for start in range(200):
        check(once, [(float(start), float(i), "x") for i in range(10)])
    (memory,) = once._memories.values()
    kept = sum(
        array.nbytes
        for batch in memory._batches
        for array in (*batch.columns, batch.scores.prediction, batch.scores.margins)
    )
    assert 0 < kept <= 4000
    assert memory._bytes == sum(batch.bytes for batch in memory._batches)


def test_the_last_batch_is_kept_whatever_its_size(monkeypatch):
    monkeypatch.setattr(recent, "MEMORY_BYTES", 10)
    once = OnceScorer(SCORER)
    rows = [(float(i), 0.5, "x") for i in range(50)]
    check(once, rows)
    check(once, rows[::2])
    assert once.rows_scored == 50


def test_threads_do_not_mix_their_answers():
    once = OnceScorer(SCORER)
    failures = []
    barrier = threading.Barrier(4)

    def work(seed):
        random = np.random.default_rng(seed)
        barrier.wait()
        try:
            for _ in range(150):
                rows = [(float(a), float(b), "x") for a, b in random.integers(0, 9, (20, 2))]
                check(once, rows)
                check(once, rows[::2])
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_two_models_and_a_replacement_in_one_query(con, add, fit, regressor):
    lower = fit(
        LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1), regressor.frame, -regressor.predictions
    )
    add(regressor, "model_a")
    add(lower, "model_b")
    pairs = np.stack([regressor.predictions, lower.predictions], axis=1)
    pairs = pairs[pairs[:, 0] > pairs[:, 1] + 9]
    query = "SELECT {0}(t), {1}(t) FROM t WHERE {0}(t) > {1}(t) + 9"
    found = con.execute(query.format("model_a", "model_b")).fetchall()
    assert np.array_equal(found, pairs)
    add(lower, "model_a")
    add(regressor, "model_b")
    found = con.execute(query.format("model_b", "model_a")).fetchall()
    assert np.array_equal(found, pairs)
