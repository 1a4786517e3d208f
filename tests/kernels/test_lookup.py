import datetime as dt
import math
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql import ScoringError, SignatureError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.kernels.lookup import Matcher

MISSING, UNKNOWN = -1.0, -2.0
TEXTS = ("", "a", "A", " a", "é", "☃", "NULL", "nan", "1", "a" * 300)


def lookup(kind, keys, *, missing=MISSING, unknown=UNKNOWN) -> Scorer:
    values = np.arange(len(keys), dtype=float)
    step = s.Lookup(("k",), ("code",), "the encoder", tuple(keys), values, missing, unknown)
    return Scorer(Model(Signature((Column("k", kind),)), (step,), Outputs(("code",))))


def codes(scorer: Scorer, column) -> list[float]:
    return scorer.score(pa.table({"k": column})).prediction[:, 0].tolist()


# --- numbers --------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    keys=st.lists(st.floats(allow_nan=False), unique=True, max_size=15),
    others=st.lists(st.floats(), max_size=10),
)
def test_numbers_are_found_by_value(keys, others):
    """Python compares floats as the library does: -0.0 is 0.0, and NaN is nothing."""
    numbers = np.array([*keys, *(-key for key in keys), *others, math.nan, -0.0])
    matcher = Matcher(np.array(keys, float))
    expected = [keys.index(x) if x in keys else len(keys) for x in numbers.tolist()]
    assert matcher.positions(numbers).tolist() == expected
    coded = [
        MISSING if math.isnan(x) else UNKNOWN if x not in keys else float(keys.index(x))
        for x in numbers.tolist()
    ]
    assert codes(lookup(ColumnType.DOUBLE, keys), numbers) == coded


def test_neighbours_of_a_number_are_unknown():
    near = [np.nextafter(0.1, 0), 0.1, np.nextafter(0.1, 1), 0.30000000000000004]
    assert codes(lookup(ColumnType.DOUBLE, [0.1, 0.3]), near) == [UNKNOWN, 0.0, UNKNOWN, UNKNOWN]


def test_no_keys_at_all():
    assert codes(lookup(ColumnType.DOUBLE, []), [1.0, math.nan]) == [UNKNOWN, MISSING]
    assert codes(lookup(ColumnType.VARCHAR, []), ["a", None]) == [UNKNOWN, MISSING]


# --- keys of every type, in every Arrow type that can hold them -----------------------------------

DAY = dt.datetime(2013, 1, 2)  # noqa: DTZ001 - columns have no zone
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001
MICROSECOND = dt.timedelta(microseconds=1)
INTEGERS = (5, -3, 0, 2**53 + 1, -(2**63), 2**63 - 1)
TEXT_TYPES = (pa.string(), pa.large_string(), pa.string_view())
INTEGER_TYPES = (
    pa.int64(),
    pa.int32(),
    pa.int16(),
    pa.int8(),
    pa.uint8(),
    pa.uint32(),
    pa.uint64(),
)
TIME_TYPES = (*(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")), pa.date32(), pa.date64())


@pytest.mark.parametrize("arrow_type", TEXT_TYPES, ids=str)
@pytest.mark.parametrize("shape", ["plain", "dictionary", "chunks", "slice"])
def test_text(arrow_type, shape):
    values = ["a", None, "unseen", "☃", "a ", "á", "e\u0301", *TEXTS]
    expected = [1.0, MISSING, UNKNOWN, 5.0, UNKNOWN, UNKNOWN, UNKNOWN, *np.arange(10.0).tolist()]
    column = shaped(pa.array(values, arrow_type), shape)
    assert codes(lookup(ColumnType.VARCHAR, TEXTS), column) == expected


def shaped(array, shape):
    match shape:
        case "dictionary":
            plain = array.cast(pa.string()) if pa.types.is_string_view(array.type) else array
            return plain.dictionary_encode()
        case "chunks":
            return pa.chunked_array([array[:2], array[2:2], array[2:]])
        case "slice":
            return pa.concat_arrays([array[:3], array])[3:]
        case _:
            return array


def test_a_dictionary_may_hold_null_and_unused_values():
    levels = pa.array(["unused", None, "a", "a"])
    column = pa.DictionaryArray.from_arrays(pa.array([2, 1, None, 3], pa.int8()), levels)
    assert codes(lookup(ColumnType.VARCHAR, TEXTS), column) == [1.0, MISSING, MISSING, 1.0]


@pytest.mark.parametrize("arrow_type", INTEGER_TYPES, ids=str)
def test_integers_of_any_width(arrow_type):
    column = pa.array([5, None, 7, 0], arrow_type)
    assert codes(lookup(ColumnType.BIGINT, INTEGERS), column) == [0.0, MISSING, UNKNOWN, 2.0]


def test_integers_beyond_2_to_the_53_differ():
    column = pa.array([*INTEGERS, 2**53, 2**53 + 2])
    expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, UNKNOWN, UNKNOWN]
    assert codes(lookup(ColumnType.BIGINT, INTEGERS), column) == expected


def test_booleans():
    column = pa.array([True, None, False])
    assert codes(lookup(ColumnType.BOOLEAN, [True]), column) == [0.0, MISSING, UNKNOWN]
    assert codes(lookup(ColumnType.BOOLEAN, [False, True]), column) == [1.0, MISSING, 0.0]


@pytest.mark.parametrize("arrow_type", TIME_TYPES, ids=str)
def test_times_of_any_unit(arrow_type):
    column = pa.array([DAY, None, EPOCH, DAY + dt.timedelta(days=1)], arrow_type)
    keys = [(DAY - EPOCH) // MICROSECOND, 0]
    assert codes(lookup(ColumnType.TIMESTAMP, keys), column) == [0.0, MISSING, 1.0, UNKNOWN]


def test_times_a_microsecond_apart():
    column = pa.array([-1, 0, 1], pa.timestamp("us"))
    assert codes(lookup(ColumnType.TIMESTAMP, [-1, 1]), column) == [0.0, UNKNOWN, 1.0]


@pytest.mark.parametrize("kind", [kind for kind in ColumnType if kind is not ColumnType.DOUBLE])
def test_a_column_of_nothing_but_null(kind):
    key = {"bigint": 1, "boolean": True, "varchar": "a", "timestamp": 1}[kind.value]
    assert codes(lookup(kind, [key]), pa.nulls(3)) == [MISSING] * 3
    assert codes(lookup(kind, [key]), pa.nulls(0)) == []


def test_null_rows_of_a_struct_are_missing():
    rows = pa.StructArray.from_arrays([pa.array(["a", None, "☃"])], ["k"])
    made = lookup(ColumnType.VARCHAR, TEXTS).score(rows).prediction[:, 0]
    assert made.tolist() == [1.0, MISSING, 5.0]


WRONG = {
    "integers as text": (ColumnType.VARCHAR, pa.array([1])),
    "booleans as text": (ColumnType.VARCHAR, pa.array([True])),
    "bytes as text": (ColumnType.VARCHAR, pa.array([b"a"])),
    "text as integers": (ColumnType.BIGINT, pa.array(["1"])),
    "doubles as integers": (ColumnType.BIGINT, pa.array([1.5])),
    "whole doubles as integers": (ColumnType.BIGINT, pa.array([1.0])),
    "decimals as integers": (ColumnType.BIGINT, pa.array([Decimal("1.5")])),
    "integers as booleans": (ColumnType.BOOLEAN, pa.array([2])),
    "text as booleans": (ColumnType.BOOLEAN, pa.array(["true"])),
    "integers as times": (ColumnType.TIMESTAMP, pa.array([1])),
    "text as times": (ColumnType.TIMESTAMP, pa.array(["2013-01-01"])),
    "times of day": (ColumnType.TIMESTAMP, pa.array([dt.time(1)])),
    "times in a zone": (ColumnType.TIMESTAMP, pa.array([1], pa.timestamp("us", "UTC"))),
    "text as doubles": (ColumnType.DOUBLE, pa.array(["1"])),
    "times as doubles": (ColumnType.DOUBLE, pa.array([1], pa.timestamp("us"))),
}


@pytest.mark.parametrize("name", WRONG)
def test_values_of_another_type_are_refused(name):
    """Arrow would turn 1 into "1", 2 into true and "2013-01-01" into a time: the library not."""
    kind, column = WRONG[name]
    key = {"bigint": 1, "boolean": True, "varchar": "1", "timestamp": 1, "double": 1.0}[kind.value]
    with pytest.raises(SignatureError) as caught:
        codes(lookup(kind, [key]), column)
    assert str(caught.value).startswith(f"Column 'k' is {column.type}, and the model was trained")


@pytest.mark.parametrize(
    ("kind", "column", "message"),
    [
        (ColumnType.BIGINT, pa.array([2**63], pa.uint64()), "cannot be read as bigint"),
        (ColumnType.TIMESTAMP, pa.array([1], pa.timestamp("ns")), "would lose data"),
    ],
    ids=["beyond 63 bits", "nanoseconds"],
)
def test_values_that_do_not_fit_are_refused(kind, column, message):
    with pytest.raises(SignatureError, match=message):
        codes(lookup(kind, [1]), column)


def test_a_column_that_is_not_there():
    with pytest.raises(SignatureError, match=r"Column 'k' is missing. There are: other."):
        lookup(ColumnType.VARCHAR, ["a"]).score(pa.table({"other": ["a"]}))


# --- what the library refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "keys", "column", "shown"),
    [
        (ColumnType.VARCHAR, ["a"], pa.array(["a", 'x"y', None]), "'x\"y'"),
        (ColumnType.BIGINT, [1], pa.array([1, 2, None]), "2"),
        (ColumnType.DOUBLE, [1.0], pa.array([1.0, 2.5, None]), "2.5"),
        (ColumnType.VARCHAR, ["a"], pa.array(["a", None, "x"]), "NULL"),
        (ColumnType.DOUBLE, [1.0], pa.array([1.0, None, 2.5]), "NULL"),
    ],
    ids=["text", "integer", "double", "missing text", "missing double"],
)
def test_refused_values_are_shown(kind, keys, column, shown):
    is_missing = shown == "NULL"
    scorer = lookup(kind, keys, **{"missing" if is_missing else "unknown": None})
    with pytest.raises(ScoringError) as caught:
        codes(scorer, column)
    expected = f"Column 'k' holds {shown}, which the encoder never saw in training"
    assert expected in str(caught.value)
    assert "handle_unknown" in str(caught.value)
    accepted = column.filter(pa.array([True, False, False]))
    assert codes(scorer, accepted) == [0.0]


# --- several readers of a column ------------------------------------------------------------------


def test_steps_with_other_keys_share_a_column():
    steps = (
        s.Lookup(("k",), ("p",), "p", ("a", "b"), np.array([1.0, 2.0]), 10.0, 20.0),
        s.Impute(("k",), ("filled",), ("c",)),
        s.Lookup(("filled",), ("q",), "q", ("c", "a"), np.array([3.0, 4.0]), None, 30.0),
        s.Impute(("k",), ("other",), ("never seen",)),
        s.Lookup(("other",), ("r",), "r", ("b",), np.array([5.0]), None, 40.0),
        s.IsMissing(("k",), ("is missing",)),
    )
    outputs = Outputs(("p", "q", "r", "is missing"))
    model = Model(Signature((Column("k", ColumnType.VARCHAR),)), steps, outputs)
    made = Scorer(model).score(pa.table({"k": ["a", "b", "c", "d", None]})).prediction
    assert made.tolist() == [
        [1.0, 4.0, 40.0, 0.0],
        [2.0, 30.0, 5.0, 0.0],
        [20.0, 3.0, 40.0, 0.0],
        [20.0, 30.0, 40.0, 0.0],
        [10.0, 3.0, 40.0, 1.0],
    ]


@settings(max_examples=50, deadline=None)
@given(
    positions=st.permutations([0.0, 1.0, 2.0, 5.0]),
    keys=st.lists(st.sampled_from([*"abcd", "?", None]), max_size=12),
)
def test_one_hot_columns_are_one_where_the_code_is(positions, keys):
    steps = (
        s.Lookup(("k",), ("code",), "k", tuple("abcd"), np.arange(4.0), 5.0, math.nan),
        s.OneHot(("code",), ("p", "q", "r", "t"), np.array(positions)),
    )
    model = Model(
        Signature((Column("k", ColumnType.VARCHAR),)), steps, Outputs(("p", "q", "r", "t"))
    )
    made = Scorer(model).score(pa.table({"k": pa.array(keys, pa.string())})).prediction
    code = {key: float(number) for number, key in enumerate("abcd")} | {None: 5.0}
    expected = [[float(code.get(key) == position) for position in positions] for key in keys]
    assert made.tolist() == expected


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=4), seed=st.integers(0, 2**32 - 1))
def test_a_row_s_answer_does_not_depend_on_its_batch(cuts, seed):
    rng = np.random.default_rng(seed)
    column = pa.array(rng.choice([*TEXTS[:5], "?", None], 60).tolist(), pa.string())
    scorer = lookup(ColumnType.VARCHAR, TEXTS)
    edges = [0, *sorted(cuts), 60]
    parts = [codes(scorer, column[start:stop]) for start, stop in pairwise(edges)]
    assert [code for part in parts for code in part] == codes(scorer, column)


def test_threads_share_a_kernel():
    scorer = lookup(ColumnType.VARCHAR, TEXTS)
    rng = np.random.default_rng(0)
    batches = [pa.array(rng.choice([*TEXTS, "?"], 300 + n).tolist()) for n in range(24)]
    expected = [codes(lookup(ColumnType.VARCHAR, TEXTS), batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda batch: codes(scorer, batch), batches)) == expected
