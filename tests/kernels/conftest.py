"""Random forests, rows that are hard for them, and a walk in plain Python as the oracle."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from foresql.ir import Trees
from foresql.ir.steps import Forest, Precision
from foresql.ir.trees import LEAF
from foresql.kernels.coding import codings_of

NUMERIC, CATEGORICAL, OUTPUTS = 3, 2, 2
"""Inputs that are split by order, then inputs that are split by sets, and scores."""

THRESHOLDS = (0.0, -0.0, 5e-324, -5e-324, 1e-310, 1.0, -1.0, 1e300, -1e300, math.inf, -math.inf)
CATEGORIES = (0, 1, 2, 3, 7, 31, 32, 64, 1000, 2**31 - 1)
ODD = (*THRESHOLDS, math.nan, -0.5, 0.5, -1.5, 2.0**31, 2.0**32, -(2.0**31), 1.7976931348623157e308)


def make_trees(seed: int, leaves: list[int]) -> Trees:
    rng = np.random.default_rng(seed)
    nodes: list[dict] = []
    sets: list[np.ndarray] = []
    roots: list[int] = []
    for count in leaves:
        roots.append(len(nodes))
        nodes.append(leaf(rng))
        open_leaves = [roots[-1]]
        while len(open_leaves) < count:
            parent = open_leaves.pop(int(rng.integers(len(open_leaves))))
            left, right = len(nodes), len(nodes) + 1
            nodes[parent] = split(rng, left, right, sets)
            nodes += [leaf(rng), leaf(rng)]
            open_leaves += [left, right]
    lengths = [len(members) for members in sets]
    return Trees(
        feature=column(nodes, "feature", np.int32),
        threshold=column(nodes, "threshold", np.float64),
        left=column(nodes, "left", np.int32),
        right=column(nodes, "right", np.int32),
        missing_left=column(nodes, "missing_left", np.bool_),
        category_set=column(nodes, "category_set", np.int32),
        set_start=np.cumsum([0, *lengths]).astype(np.int64),
        set_values=np.concatenate([*sets, np.zeros(0, np.int32)]).astype(np.int32),
        value=column(nodes, "value", np.float64),
        cover=np.ones(len(nodes)),
        root=np.array(roots, np.int32),
        output=rng.integers(0, OUTPUTS, len(leaves)).astype(np.int32),
    )


def column(nodes, name, dtype) -> np.ndarray:
    return np.array([node.get(name, 0) for node in nodes], dtype)


def leaf(rng) -> dict:
    value = rng.choice([rng.normal(), 1e16 * rng.normal(), 5e-324, -0.0, 1e150])
    return {"feature": LEAF, "category_set": -1, "value": value}


def split(rng, left, right, sets) -> dict:
    feature = int(rng.integers(NUMERIC + CATEGORICAL))
    node = {"feature": feature, "left": left, "right": right, "category_set": -1}
    node["missing_left"] = bool(rng.integers(2))
    if feature < NUMERIC:
        node["threshold"] = rng.choice([rng.normal(), rng.choice(THRESHOLDS)])
    else:
        node["category_set"] = len(sets)
        sets.append(np.flatnonzero(rng.random(len(CATEGORIES)) < rng.random()))
        sets[-1] = np.array(CATEGORIES, np.int32)[sets[-1]]
    return node


def hard_rows(seed: int, trees: Trees, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    numeric = trees.threshold[(trees.feature != LEAF) & (trees.category_set < 0)]
    near = [np.nextafter(numeric, -np.inf), numeric, np.nextafter(numeric, np.inf)]
    pool = np.concatenate([*near, ODD, np.array(CATEGORIES) + 0.75, CATEGORIES])
    return rng.choice(pool, (NUMERIC + CATEGORICAL, rows))


def walk(trees: Trees, inputs: np.ndarray, dtype=np.float64) -> np.ndarray:
    scores = np.zeros((OUTPUTS, inputs.shape[1]))
    for row, values in enumerate(inputs.T.tolist()):
        for root, output in zip(trees.root.tolist(), trees.output.tolist(), strict=True):
            node = root
            while trees.feature[node] != LEAF:
                ways = trees.left if goes_left(trees, node, values) else trees.right
                node = int(ways[node])
            scores[output, row] = dtype(float(scores[output, row]) + float(trees.value[node]))
    return scores


def goes_left(trees: Trees, node: int, values: list[float]) -> bool:
    x = values[trees.feature[node]]
    if math.isnan(x):
        return bool(trees.missing_left[node])
    if trees.category_set[node] < 0:
        return x <= float(trees.threshold[node])
    members = trees.categories(int(trees.category_set[node])).tolist()
    return math.isfinite(x) and x > -1 and int(x) in members


def run_plan(plan, trees: Trees, inputs: np.ndarray) -> np.ndarray:
    codings = codings_of(trees)
    scores = np.zeros((OUTPUTS, inputs.shape[1]))
    codes = {index: coding.encode(inputs[index]) for index, coding in codings.items()}
    plan.of(trees, codings).add_to(scores, codes)
    return scores


def as_step(trees: Trees, precision: Precision = Precision.FLOAT64) -> Forest:
    inputs = tuple(f"x{index}" for index in range(NUMERIC + CATEGORICAL))
    outputs = tuple(f"s{index}" for index in range(OUTPUTS))
    return Forest(inputs, outputs, trees, np.zeros(OUTPUTS), precision)


@dataclass(frozen=True)
class Forests:
    """What a test of a kernel needs, in one fixture.

    Inputs are float64[inputs, rows], scores float64[scores, rows].
    """

    make = staticmethod(make_trees)
    """Make a forest from a seed and the number of leaves of each tree."""

    rows = staticmethod(hard_rows)
    """Make inputs from a seed, for a forest: on its splits, beside them, and odd."""

    walk = staticmethod(walk)
    """Score rows one by one, node by node: what a forest means, with nothing clever in it."""

    goes_left = staticmethod(goes_left)
    """Say which way a node sends a row of numbers."""

    run = staticmethod(run_plan)
    """Score inputs by a plan: ``BinMask`` or ``Traversal``."""

    step = staticmethod(as_step)
    """Make a forest a step of a model, from inputs ``x0``, ``x1``, … to ``s0``, ``s1``."""


@pytest.fixture(scope="session")
def forests():
    return Forests()
