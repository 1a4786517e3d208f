import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir.steps import LinearForest
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer

ZERO = 1e-35


def make_step(seed: int, leaves: list[int], forests) -> LinearForest:
    rng = np.random.default_rng(seed)
    plain = forests.step(forests.make(seed, leaves))
    nodes = len(plain.trees.feature)
    sizes = np.where(plain.trees.feature == LEAF, rng.integers(0, 4, nodes), 0)
    return LinearForest(
        plain.inputs,
        plain.outputs,
        plain.trees,
        rng.normal(size=nodes),
        np.cumsum([0, *sizes]).astype(np.int64),
        rng.integers(0, len(plain.inputs), sizes.sum()).astype(np.int32),
        rng.normal(size=sizes.sum()) * 10.0 ** rng.integers(-3, 30, sizes.sum()),
        ZERO,
    )


def add_up(step: LinearForest, row: list[float], forests) -> list[float]:
    """Walk the trees one by one, and add the terms of their leaves one by one."""
    scores = [0.0] * len(step.outputs)
    for root, output in zip(step.trees.root.tolist(), step.trees.output.tolist(), strict=True):
        node = root
        while step.trees.feature[node] != LEAF:
            goes_left = forests.goes_left(step.trees, node, row)
            node = int((step.trees.left if goes_left else step.trees.right)[node])
        terms = range(step.term_start[node], step.term_start[node + 1])
        read = [row[step.term_input[term]] for term in terms]
        total = float(step.constants[node])
        for term, x in zip(terms, read, strict=True):
            total += float(step.coefficients[term]) * (0.0 if abs(x) <= ZERO else x)
        plain = any(map(math.isnan, read))
        scores[output] += float(step.trees.value[node]) if plain else total
    return scores


def run(step: LinearForest, inputs: np.ndarray) -> np.ndarray:
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in step.inputs)
    model = Model(Signature(columns), (step,), Outputs(step.outputs))
    return Scorer(model).score(pa.table(list(inputs), names=list(step.inputs))).prediction


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), leaves=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_scores_are_those_of_a_plain_loop(seed, leaves, forests):
    step = make_step(seed, leaves, forests)
    inputs = forests.rows(seed, step.trees, 40)
    expected = np.array([add_up(step, row, forests) for row in inputs.T.tolist()])
    assert np.array_equal(run(step, inputs), expected, equal_nan=True)


@pytest.mark.parametrize("rows", [0, 1, 8_192, 20_000])
def test_blocks_of_rows(rows, forests):
    step = make_step(1, [9, 1, 300], forests)
    inputs = forests.rows(1, step.trees, rows)
    scores = run(step, inputs)
    assert scores.shape == (rows, len(step.outputs))
    for row in range(0, rows, 4_095):
        assert scores[row].tobytes() == run(step, inputs[:, row : row + 1])[0].tobytes()
