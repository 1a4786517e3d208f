from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from sklearn.utils._array_api import _logsumexp

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer

EDGES = [0.0, -0.0, -1e-300, -1.0, -745.2, -1e5, 1e308, -np.inf, np.inf]


def shares(matrix):
    names = tuple(f"x{index}" for index in range(matrix.shape[1]))
    outputs = tuple(f"y{index}" for index in range(len(names)))
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in names)
    model = Model(Signature(columns), (s.LogSoftmax(names, outputs),), Outputs(outputs))
    return Scorer(model).score(pa.table(list(matrix.T), names=list(names))).prediction


@pytest.mark.parametrize("width", [1, 2, 3])
def test_edges(width):
    matrix = np.array(list(product(EDGES, repeat=width)))
    with np.errstate(all="ignore"):
        theirs = matrix - _logsumexp(matrix, axis=1)[:, None]
    assert np.array_equal(shares(matrix), theirs, equal_nan=True)


@pytest.mark.parametrize("width", [2, 5, 7])
def test_random_rows_and_ties(width):
    rng = np.random.default_rng(width)
    matrix = rng.normal(-30.0, 10.0, (3000, width))
    matrix[::3] = matrix[::3].round(-1)
    theirs = matrix - _logsumexp(matrix, axis=1)[:, None]
    assert np.array_equal(shares(matrix), theirs)
