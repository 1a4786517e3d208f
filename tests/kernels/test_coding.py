import math
from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.kernels.coding import CategoryCoding, NumericCoding, codings_of

NUMBERS = st.floats(allow_nan=False)
LARGEST = float(np.finfo(np.float64).max)
EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0, LARGEST, -LARGEST, math.inf, -math.inf, math.nan]


def coded(coding, values) -> list[int]:
    return coding.encode(np.array(values, np.float64)).tolist()


def check_numeric(thresholds, values):
    """The code is the number of thresholds below the value; NaN has a code of its own."""
    thresholds = np.unique(np.array(thresholds, np.float64))
    with np.errstate(over="ignore"):
        near = [np.nextafter(thresholds, -np.inf), thresholds, np.nextafter(thresholds, np.inf)]
    values = [*np.concatenate(near).tolist(), *EXTREMES, *values]
    coding = NumericCoding(thresholds)
    below = thresholds.tolist()
    expected = [coding.missing if math.isnan(x) else bisect_left(below, x) for x in values]
    assert coded(coding, values) == expected
    assert coding.missing == coding.codes - 1 == len(thresholds) + 1


@settings(max_examples=200, deadline=None)
@given(
    thresholds=st.lists(NUMBERS, min_size=1, max_size=30),
    values=st.lists(st.floats(), max_size=20),
)
def test_any_thresholds(thresholds, values):
    check_numeric(thresholds, values)


@settings(max_examples=100, deadline=None)
@given(
    low=st.floats(-1e6, 1e6),
    scale=st.sampled_from([1e-300, 1e-9, 1.0, 1e9, 1e300]),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 300),
)
def test_thresholds_as_a_forest_has_them(low, scale, seed, count):
    rng = np.random.default_rng(seed)
    shape = [rng.normal, rng.exponential, lambda size: np.round(rng.normal(size=size), 1)]
    thresholds = low + scale * shape[seed % 3](size=count)
    check_numeric(thresholds, (low + scale * 3 * rng.normal(size=50)).tolist())


@pytest.mark.parametrize(
    "thresholds",
    [
        [0.0],
        [-0.0],
        [math.inf],
        [-math.inf],
        [-math.inf, math.inf],
        [1.0, math.inf],
        [-LARGEST, LARGEST],
        [0.0, 5e-324],
        [-5e-324, 0.0, 5e-324, 1e-323],
        [1.0, np.nextafter(1.0, 2)],
        [1e-300, 1e300],
        [*np.arange(5_000.0)],
        [*np.nextafter(1.0, 2) ** np.arange(40)],
        [*np.geomspace(1e-300, 1e300, 400)],
        [0.0, *(1e9 + np.arange(3))],
        [*np.linspace(0, 1, 255), 1e200],
    ],
    ids=lambda thresholds: f"{len(thresholds)} from {thresholds[0]} to {thresholds[-1]}",
)
def test_thresholds_that_suit_no_grid(thresholds):
    rng = np.random.default_rng(0)
    check_numeric(thresholds, rng.choice(thresholds, 50).tolist())


def test_all_values_of_a_large_column_are_coded_alike_in_any_batch():
    rng = np.random.default_rng(1)
    coding = NumericCoding(np.unique(rng.normal(size=900)))
    values = rng.normal(size=40_000) * 2
    values[::17] = np.nan
    whole = coding.encode(values)
    alone = [int(coding.encode(values[i : i + 1])[0]) for i in range(0, len(values), 40)]
    assert whole[::40].tolist() == alone
    usual = np.searchsorted(coding.thresholds, values[~np.isnan(values)])
    assert whole[~np.isnan(values)].tolist() == usual.tolist()


# --- categories -----------------------------------------------------------------------------------


def check_categories(categories, values):
    """The code is the place of the integer part; then come other values, and NaN."""
    known = sorted(categories)
    coding = CategoryCoding(np.array(known, np.int32))
    other, missing = len(known), len(known) + 1
    places = {value: place for place, value in enumerate(known)}

    def code(x: float) -> int:
        if math.isnan(x):
            return missing
        return places.get(math.trunc(x), other) if math.isfinite(x) and x > -1 else other

    assert coded(coding, values) == [code(x) for x in values]
    assert (coding.missing, coding.codes) == (missing, missing + 1)


@settings(max_examples=200, deadline=None)
@given(
    categories=st.sets(st.integers(0, 2**31 - 1), max_size=20),
    values=st.lists(st.floats() | st.integers(-3, 2**33).map(float), max_size=20),
    fraction=st.floats(0, 1, exclude_max=True),
)
def test_any_categories(categories, values, fraction):
    inside = [value + fraction for value in categories] + [-value for value in categories]
    check_categories(categories, [*inside, *EXTREMES, *values])


@pytest.mark.parametrize("categories", [set(), {0}, {2**31 - 1}, {0, 5, 2**31 - 1}])
def test_edges_of_the_integers(categories):
    edges = [-1.0, -0.999, -0.5, -0.0, 0.0, 0.999, 1.0, 2.0**31 - 1, 2.0**31 - 0.5, 2.0**31]
    edges += [2.0**32, 2.0**32 + 5, 2.0**63, -(2.0**31), 2.0**64 + 5]
    check_categories(categories, [*edges, *EXTREMES])


def test_codings_are_made_for_the_inputs_that_are_split(forests):
    trees = forests.make(9, [40, 40])
    codings = codings_of(trees)
    assert sorted(codings) == sorted(set(trees.feature[trees.feature >= 0].tolist()))
    for index, coding in codings.items():
        nodes = trees.feature == index
        if isinstance(coding, NumericCoding):
            assert coding.thresholds.tolist() == np.unique(trees.threshold[nodes]).tolist()
        else:
            sets = [trees.categories(i).tolist() for i in trees.category_set[nodes]]
            assert coding.categories.tolist() == sorted(set().union(*sets))


def test_a_forest_of_leaves_has_no_codings(forests):
    assert codings_of(forests.make(0, [1, 1])) == {}
