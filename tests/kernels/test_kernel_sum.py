"""Kernel sums against a plain loop, and a row's bits alone, in a batch and across blocks."""

import math

import numpy as np
import pyarrow as pa
import pytest

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer, kernel_sum
from foresql.kernels.coupling import coupled

RNG = np.random.default_rng(7)
POINTS, COLUMNS = 23, 3


def model_of(kernels, exponents=None):
    count = len(kernels)
    step = s.KernelSum(
        tuple(f"x{i}" for i in range(COLUMNS)),
        ("y", "z"),
        RNG.normal(size=(POINTS, COLUMNS)),
        RNG.normal(size=(POINTS, 2)),
        np.array([0.5, -2.0]),
        RNG.normal(size=POINTS),
        kernels,
        RNG.uniform(0.5, 2.0, (count, COLUMNS)),
        RNG.uniform(0.1, 1.0, count),
        RNG.uniform(0.5, 1.0, count),
        RNG.integers(1, 4, count).astype(float),
        np.ones(count) if exponents is None else np.array(exponents, float),
    )
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in step.inputs)
    return step, Model(Signature(columns), (step,), Outputs(("y", "z")))


def table_of(rows):
    return pa.table({f"x{i}": column for i, column in enumerate(rows.T)})


def plain_kernel(kernel, x, p, parameters):  # noqa: PLR0911 - one return a kernel
    gamma, constant, degree = parameters
    dot = sum(a * b for a, b in zip(x, p, strict=True))
    d = math.dist(x, p)
    match kernel:
        case s.Kernel.POLYNOMIAL:
            return (gamma * dot + constant) ** degree
        case s.Kernel.SIGMOID:
            return math.tanh(gamma * dot + constant)
        case s.Kernel.RBF | s.Kernel.EXPANDED_RBF:
            return math.exp(-gamma * d * d)
        case s.Kernel.LAPLACIAN:
            return math.exp(-gamma * sum(abs(a - b) for a, b in zip(x, p, strict=True)))
        case s.Kernel.EXPONENTIAL:
            return math.exp(-d)
        case s.Kernel.MATERN_3_2:
            return (1 + math.sqrt(3) * d) * math.exp(-math.sqrt(3) * d)
        case s.Kernel.MATERN_5_2:
            return (1 + math.sqrt(5) * d + 5 * d * d / 3) * math.exp(-math.sqrt(5) * d)
        case s.Kernel.RATIONAL_QUADRATIC:
            return (1 + d * d / gamma) ** -degree
        case s.Kernel.PERIODIC:
            return math.exp(-2 * (math.sin(gamma * d) / constant) ** 2)


@pytest.mark.parametrize("kernel", s.Kernel)
def test_the_formula_of_each_kernel(kernel):
    other = s.Kernel.RBF
    step, model = model_of((kernel, other), exponents=(2, 1))
    rows = RNG.normal(size=(5, COLUMNS))
    scores = Scorer(model).score(table_of(rows)).prediction
    for row, (y, z) in zip(rows, scores.tolist(), strict=True):
        likeness = []
        for point in step.points:
            product = 1.0
            for i, each in enumerate(step.kernels):
                x, p = (row / step.scales[i]).tolist(), (point / step.scales[i]).tolist()
                parameters = (step.gammas[i], step.constants[i], step.degrees[i])
                product *= plain_kernel(each, x, p, parameters) ** step.exponents[i]
            likeness.append(product)
        expected = (np.array(likeness) - step.centers) @ step.weights + step.intercepts
        assert [y, z] == pytest.approx(expected.tolist(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kernel", s.Kernel)
def test_a_row_has_the_same_bits_alone_and_in_any_batch(kernel, monkeypatch):
    _, model = model_of((kernel,))
    rows = RNG.normal(size=(101, COLUMNS)) * 3
    whole = Scorer(model).score(table_of(rows)).prediction
    alone = [Scorer(model).score(table_of(rows[i : i + 1])).prediction for i in range(len(rows))]
    assert np.concatenate(alone).tobytes() == whole.tobytes()
    monkeypatch.setattr(kernel_sum, "_CELLS", 7 * POINTS)
    assert Scorer(model).score(table_of(rows)).prediction.tobytes() == whole.tobytes()


def test_what_overflows_stays_infinite():
    points = np.array([[2.0, 2.0], [-2.0, 2.0], [0.5, 0.5]])
    rows = np.array([[1e308, -1e308], [1.0, 2.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        products = kernel_sum.add_columns("product", rows, points)
    assert products.tolist() == [[math.inf, -math.inf, 0.0], [6.0, 2.0, 1.5]]


def test_no_rows():
    _, model = model_of((s.Kernel.RBF,))
    assert Scorer(model).score(table_of(np.zeros((0, COLUMNS)))).prediction.shape == (0, 2)


def test_pairs_that_agree_are_coupled_to_their_shares():
    shares = np.array([0.2, 0.3, 0.5])
    pairs = np.array([[0.2 / 0.5], [0.2 / 0.7], [0.3 / 0.8]])
    # libsvm stops where no class is off by 0.005 over their number.
    assert coupled(pairs, 3)[:, 0] == pytest.approx(shares, abs=0.01)


def test_rows_are_coupled_one_by_one():
    pairs = RNG.uniform(1e-7, 1 - 1e-7, (6, 200))
    whole = coupled(pairs, 4)
    alone = np.concatenate([coupled(pairs[:, i : i + 1], 4) for i in range(200)], axis=1)
    assert whole.tobytes() == alone.tobytes()
    assert whole.sum(axis=0) == pytest.approx(np.ones(200))
