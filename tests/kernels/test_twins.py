"""Trees that share their splits are walked once, and add what each of them holds."""

import numpy as np
import pytest

from foresql.ir import Trees
from foresql.kernels.coding import codings_of
from foresql.kernels.traversal import Traversal


def forest(thresholds, values) -> Trees:
    """Make one tree of three nodes for each threshold."""
    count = len(thresholds)
    nodes = 3 * count
    root = np.arange(0, nodes, 3, dtype=np.int32)
    left, right = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    left[root], right[root] = root + 1, root + 2
    return Trees(
        feature=np.tile(np.array([0, -1, -1], np.int32), count),
        threshold=np.repeat(np.asarray(thresholds, float), 3),
        left=left,
        right=right,
        missing_left=np.zeros(nodes, np.bool_),
        category_set=np.full(nodes, -1, np.int32),
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=np.concatenate([[0.0, low, high] for low, high in values]),
        cover=np.ones(nodes),
        root=root,
        output=np.zeros(count, np.int32),
    )


@pytest.mark.parametrize(
    ("thresholds", "twins"),
    [
        ([0.5, 0.5, 0.5], [False, True, True]),
        ([0.5, 0.7, 0.7], [False, False, True]),
        ([0.5, 0.7, 0.5], [False, False, False]),
    ],
)
def test_twins_add_their_own_leaves(thresholds, twins):
    values = [(1.0, 2.0), (10.0, 20.0), (100.0, 200.0)]
    trees = forest(thresholds, values)
    codings = codings_of(trees)
    plan = Traversal.of(trees, codings)
    assert plan.is_twin.tolist() == twins
    x = np.array([0.0, 0.5, 0.6, 0.7, 0.8, np.nan])
    scores = np.zeros((1, len(x)))
    plan.add_to(scores, {0: codings[0].encode(x)})
    expected = [
        sum(low if number <= threshold else high for threshold, (low, high) in pairs)
        for number in x
        for pairs in [list(zip(thresholds, values, strict=True))]
    ]
    assert scores[0].tolist() == expected
