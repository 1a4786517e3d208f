"""The search for neighbours against scikit-learn's own tree, its heap and its sort."""

import numpy as np
import pytest
from sklearn.neighbors import KDTree
from sklearn.utils._sorting import _py_simultaneous_sort

from foresql.ir import steps as s
from foresql.kernels import neighbours
from foresql.kernels.introsort import introsort

METRICS = tuple(s.Metric)


def step_of(points, tree, count, metric):
    _, order, nodes, _ = tree.get_arrays()
    return s.Neighbours(
        tuple(f"x{i}" for i in range(points.shape[1])),
        ("y",),
        "test",
        points,
        np.zeros((len(points), 1)),
        np.array(order, np.int64),
        len(nodes).bit_length() - 1,
        count,
        metric,
        s.Weighting.UNIFORM,
        mean=True,
    )


def thirds(rng, *shape):
    return rng.integers(0, 3, shape).astype(float)


def tenths(rng, *shape):
    return rng.normal(size=shape).round(1)


def reals(rng, *shape):
    return rng.normal(size=shape)


def extremes(rng, *shape):
    odd = rng.choice([1e15, 1e300, -1e300, np.finfo(float).max, 0.0, 1e-320], shape)
    return np.where(rng.random(shape) < 0.1, odd, rng.integers(0, 4, shape) * 0.1)


@pytest.mark.parametrize("draw", [thirds, tenths, reals, extremes])
@pytest.mark.parametrize("seed", range(25))
def test_neighbours_are_those_of_the_tree(draw, seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(5, 300))
    columns = int(rng.integers(1, 6))
    points = tenths(rng, count, columns) if draw is extremes else draw(rng, count, columns)
    rows = draw(rng, 30, columns)
    metric = METRICS[seed % len(METRICS)]
    k = int(rng.integers(1, min(count, 50) + 1))
    tree = KDTree(points, int(rng.choice([1, 2, 10, 30])), metric=metric.value)
    kernel = neighbours.NeighboursKernel(step_of(points, tree, k, metric))
    with np.errstate(all="ignore"):
        ours, found = kernel.nearest(rows)
    theirs, expected = tree.query(rows, k)
    assert found.tolist() == expected.tolist()
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("count", [1, 15, 16, 40, 300])
def test_equal_values_are_left_in_their_order(count):
    rng = np.random.default_rng(count)
    for most in (1, 3, 10, 1000):
        drawn = rng.integers(0, most, count).astype(float)
        for values in (drawn, np.sort(drawn)):
            pairs = list(zip(values.tolist(), range(count), strict=True))
            introsort(pairs)
            indices = np.arange(count)
            _py_simultaneous_sort(values, indices, count, use_three_way_partition=False)
            assert [index for _, index in pairs] == indices.tolist()


def test_a_sort_that_gets_too_deep_is_a_heapsort():
    count = 500
    values = killer(count)
    pairs = list(zip(values.tolist(), range(count), strict=True))
    introsort(pairs)
    indices = np.arange(count)
    _py_simultaneous_sort(values, indices, count, use_three_way_partition=False)
    assert [index for _, index in pairs] == indices.tolist()


def killer(count):
    """An organ pipe of pairs, which splits badly around a median of three."""
    half = np.arange(count // 2, dtype=float)
    return np.concatenate([half, half[::-1]])


def test_a_row_has_the_same_neighbours_alone():
    rng = np.random.default_rng(1)
    points, rows = tenths(rng, 90, 3), tenths(rng, 40, 3)
    tree = KDTree(points)
    kernel = neighbours.NeighboursKernel(step_of(points, tree, 4, s.Metric.EUCLIDEAN))
    whole = kernel.nearest(rows)
    alone = [kernel.nearest(rows[i : i + 1]) for i in range(len(rows))]
    for part in (0, 1):
        assert np.concatenate([answer[part] for answer in alone]).tobytes() == whole[part].tobytes()
