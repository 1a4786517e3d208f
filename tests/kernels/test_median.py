import numpy as np
import pyarrow as pa
import pytest

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer, median

NAMES = tuple("abcdefg")
SIGNATURE = Signature(tuple(Column(name, ColumnType.DOUBLE) for name in NAMES))


def medians(matrix, weights):
    step = s.WeightedMedian(NAMES, ("m",), np.array(weights, float))
    scorer = Scorer(Model(SIGNATURE, (step,), Outputs(("m",))))
    table = pa.table(dict(zip(NAMES, np.array(matrix, float).T, strict=True)))
    return scorer.score(table).prediction[:, 0]


def plain_median(row, weights):
    total = 0.0
    pairs = sorted(zip(row, weights, strict=True))
    half = 0.5 * np.cumsum([weight for _, weight in pairs])[-1]
    for value, weight in pairs:
        total += weight
        if total >= half:
            return value
    raise AssertionError


@pytest.mark.parametrize("cells", [7, 14, 10**6])
def test_blocks_of_rows_give_what_a_plain_loop_gives(cells, monkeypatch):
    monkeypatch.setattr(median, "BLOCK_CELLS", cells)
    rng = np.random.default_rng(2)
    matrix = np.concatenate([rng.normal(size=(40, 7)), rng.integers(0, 3, (40, 7))])
    weights = rng.gamma(1.0, 1.0, 7)
    assert medians(matrix, weights).tolist() == [plain_median(row, weights) for row in matrix]


def test_half_of_the_weight_is_enough():
    row = [[3.0, 1.0, 2.0, 9.0, 9.0, 9.0, 9.0]]
    assert medians(row, [1, 1, 0, 1, 0, 0, 1]) == [3.0]
    assert medians(row, [1, 1, 0, 1, 0, 0, 0.5]) == [3.0]
    assert medians(row, [1, 1, 0, 1, 0, 0, 1.5]) == [9.0]
