from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.ir import Trees
from foresql.ir.steps import Precision
from foresql.kernels.binmask import LANE_BYTES, MAX_LEAVES, BinMask
from foresql.kernels.coding import codings_of
from foresql.kernels.forest import ForestKernel
from foresql.kernels.leaves import leaf_ranges
from foresql.kernels.native.plans import NativePlans
from foresql.kernels.numpy_forest import BLOCK_ROWS, NumpyForest
from foresql.kernels.traversal import Traversal

SEEDS = st.integers(0, 2**32 - 1)
FORESTS = st.lists(st.integers(1, 40), min_size=1, max_size=12)
WIDTHS = {8: (1, 2, 8), 16: (9, 16), 32: (17, 32), 64: (33, 64), 128: (65, 128), 256: (129, 256)}


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, leaves=FORESTS)
def test_scores_are_those_of_a_walk(seed, leaves, forests):
    trees = forests.make(seed, leaves)
    rows = forests.rows(seed, trees, 40)
    assert forests.run(BinMask, trees, rows).tobytes() == forests.walk(trees, rows).tobytes()


@pytest.mark.parametrize(
    ("bits", "leaves"), [(bits, leaves) for bits, sizes in WIDTHS.items() for leaves in sizes]
)
def test_every_lane_width(bits, leaves, forests):
    """Trees of the size at both ends of a width, among smaller ones that share their lanes."""
    for seed in range(4):
        trees = forests.make(seed, [leaves, 1, max(leaves // 2, 1), leaves, 2 if leaves > 1 else 1])
        plan = BinMask.of(trees, codings_of(trees))
        assert plan.bits == bits
        assert all(len(group.leaves) <= 8 * LANE_BYTES // bits for group in plan.groups)
        rows = forests.rows(seed, trees, 60)
        assert forests.run(BinMask, trees, rows).tobytes() == forests.walk(trees, rows).tobytes()


@pytest.mark.parametrize("leaves", [2, 64, 65, 256])
@pytest.mark.parametrize("side", ["left", "right"])
def test_trees_that_are_one_long_chain(leaves, side, forests):
    depth = leaves - 1
    splits = 2 * np.arange(depth)
    limits = np.arange(depth, dtype=float) * (1 if side == "right" else -1)
    links = {name: np.zeros(2 * depth + 1, np.int32) for name in ("left", "right")}
    links["left" if side == "right" else "right"][splits] = splits + 1
    links[side][splits] = splits + 2
    feature, threshold = np.full(2 * depth + 1, -1, np.int32), np.zeros(2 * depth + 1)
    feature[splits], threshold[splits] = 0, limits
    trees = Trees(
        feature=feature,
        threshold=threshold,
        **links,
        missing_left=feature > 0,
        category_set=np.full(2 * depth + 1, -1, np.int32),
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=np.where(feature < 0, np.arange(2 * depth + 1) / 7, 0.0),
        cover=np.ones(2 * depth + 1),
        root=np.zeros(1, np.int32),
        output=np.zeros(1, np.int32),
    )
    rows = np.concatenate([limits, limits + 0.5, limits - 0.5, [np.nan, np.inf, -np.inf]])[None]
    expected = forests.walk(trees, rows)
    assert len(np.unique(expected[0])) == leaves
    for plan in (BinMask, Traversal):
        assert forests.run(plan, trees, rows).tobytes() == expected.tobytes()


def test_leaves_are_added_in_the_order_of_the_trees(forests):
    """Trees of one leaf, in shared lanes and in several groups: each sum rounds anew."""
    trees = forests.make(5, [1] * 70)
    trees.output[:] = 0
    trees.value[:] = np.resize([1e16, 1.0, 1.0, -1e16, 3.0], 70)
    rows = np.zeros((5, 3))
    expected = forests.walk(trees, rows)
    assert expected[0, 0] != trees.value[::-1].cumsum()[-1]
    assert forests.run(BinMask, trees, rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("leaves", [[5] * 30, [300, 7, 7]], ids=["lanes", "walked"])
def test_sums_in_float32_round_after_every_tree(leaves, forests):
    trees = forests.make(2, leaves)
    trees.value[:] = np.random.default_rng(0).normal(size=len(trees.value)).astype(np.float32)
    rows = forests.rows(2, trees, 50)
    expected = forests.walk(trees, rows, np.float32)
    assert expected.tobytes() != forests.walk(trees, rows).tobytes()
    made = run_kernel(forests.step(trees, Precision.FLOAT32), rows)
    assert made.tobytes() == expected.tobytes()


# --- the kernel around the plans ------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [MAX_LEAVES, MAX_LEAVES + 1])
def test_trees_with_more_leaves_than_a_lane_has_bits_are_walked(leaves, forests):
    trees = forests.make(1, [leaves, 3])
    assert leaf_ranges(trees).most_leaves == leaves
    plan = NumpyForest.of(forests.step(trees), codings_of(trees)).plan
    assert isinstance(plan, BinMask if leaves == MAX_LEAVES else Traversal)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, cuts=st.lists(st.integers(0, 90), max_size=5))
@pytest.mark.parametrize("leaves", [[20] * 8, [300, 4]], ids=["lanes", "walked"])
def test_a_row_s_bits_do_not_depend_on_its_batch(seed, cuts, leaves, forests):
    trees = forests.make(seed, leaves)
    rows = forests.rows(seed, trees, 90)
    step = forests.step(trees)
    whole = run_kernel(step, rows)
    parts = [run_kernel(step, part) for part in np.split(rows, sorted(cuts), axis=1)]
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()
    for row in range(0, 90, 30):
        assert run_kernel(step, rows[:, row : row + 1]).tobytes() == whole[:, [row]].tobytes()


class Columns:
    """As much of ``Values`` as a forest needs."""

    def __init__(self, rows):
        self.rows = rows.shape[1]
        self._columns = {f"x{index}": column for index, column in enumerate(rows)}

    def numbers(self, name):
        return self._columns[name]

    def put(self, name, column):
        self._columns[name] = column


def run_kernel(step, rows) -> np.ndarray:
    columns = Columns(rows)
    ForestKernel(step, NativePlans().forest(step)).run(columns)
    return np.stack([columns.numbers(name) for name in step.outputs])


@pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_blocks_have_no_seams(count, forests):
    trees = forests.make(3, [9, 30, 2])
    rows = forests.rows(3, trees, max(count, 1))[:, :count]
    made = run_kernel(forests.step(trees), rows)
    assert made.shape == (2, count)
    for start in (0, max(count - 3, 0)):
        some = slice(start, start + 3)
        assert made[:, some].tobytes() == forests.walk(trees, rows[:, some]).tobytes()


def test_columns_that_are_not_contiguous(forests):
    trees = forests.make(4, [9, 30])
    rows = forests.rows(4, trees, 50)
    strided = np.asfortranarray(np.repeat(rows, 2, axis=1))[:, ::2]
    assert run_kernel(forests.step(trees), strided).tobytes() == forests.walk(trees, rows).tobytes()


@pytest.mark.parametrize("leaves", [[20] * 8, [300, 4]], ids=["lanes", "walked"])
def test_threads_share_a_kernel(leaves, forests):
    trees = forests.make(6, leaves)
    step = forests.step(trees)
    batches = [forests.rows(seed, trees, 500 + seed) for seed in range(24)]
    kernel = ForestKernel(step, NativePlans().forest(step))

    def score(rows):
        columns = Columns(rows)
        kernel.run(columns)
        return np.stack([columns.numbers(name) for name in step.outputs]).tobytes()

    expected = [score(rows) for rows in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(score, batches)) == expected


def test_a_start_value_is_added_to_before_the_trees(forests):
    trees = forests.make(5, [1] * 3)
    trees.output[:], trees.value[:] = 0, [1.0, 1.0, 2.0]
    step = forests.step(trees)
    step.start[:] = [1e16, 7.0]
    made = run_kernel(step, np.zeros((5, 2)))
    assert made[:, 0].tolist() == [((1e16 + 1.0) + 1.0) + 2.0, 7.0]
