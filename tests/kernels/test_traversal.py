import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.kernels.binmask import BinMask
from foresql.kernels.traversal import Traversal

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, leaves=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_scores_are_those_of_a_walk(seed, leaves, forests):
    trees = forests.make(seed, leaves)
    rows = forests.rows(seed, trees, 40)
    assert forests.run(Traversal, trees, rows).tobytes() == forests.walk(trees, rows).tobytes()


@pytest.mark.parametrize("leaves", [257, 400, 2_000])
def test_trees_that_fill_no_lane(leaves, forests):
    trees = forests.make(leaves, [leaves, 1, 5])
    rows = forests.rows(leaves, trees, 80)
    assert forests.run(Traversal, trees, rows).tobytes() == forests.walk(trees, rows).tobytes()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, leaves=st.lists(st.integers(1, 256), min_size=1, max_size=9))
def test_both_plans_give_the_same_bits(seed, leaves, forests):
    trees = forests.make(seed, leaves)
    rows = forests.rows(seed, trees, 300)
    expected = forests.run(BinMask, trees, rows)
    assert forests.run(Traversal, trees, rows).tobytes() == expected.tobytes()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, start=st.integers(0, 60), stop=st.integers(0, 60))
def test_a_row_s_bits_do_not_depend_on_its_batch(seed, start, stop, forests):
    trees = forests.make(seed, [30, 300])
    rows = forests.rows(seed, trees, 60)
    whole = forests.run(Traversal, trees, rows)
    some = slice(min(start, stop), max(start, stop) + 1)
    assert forests.run(Traversal, trees, rows[:, some]).tobytes() == whole[:, some].tobytes()


def test_no_rows(forests):
    trees = forests.make(0, [300, 1])
    assert forests.run(Traversal, trees, np.zeros((5, 0))).shape == (2, 0)
