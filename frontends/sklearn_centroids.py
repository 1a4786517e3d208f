"""Distances to the rows of a fitted matrix, and the nearest of them.

All of scikit-learn's euclidean distances come from ``|x|² - 2 x·c + |c|²``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..ir.steps import Operator
from .convert import add_link
from .sklearn_likelihoods import add_products, add_squares, add_total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .graph import Graph, Names


def squared_norms(centers: Any) -> NDArray[np.float64]:
    """Give the squared length of each row. Source: ``row_norms`` in sklearn/utils/extmath.py."""
    matrix = np.asarray(centers, np.float64)
    return np.einsum("ij,ij->i", matrix, matrix)


def add_distances(inputs: Names, centers: Any, graph: Graph) -> Names:
    """Append the distance to each center; rounding may make a square negative, which counts as 0.

    Source: ``_euclidean_distances`` in sklearn/metrics/pairwise.py.
    """
    matrix = np.asarray(centers, np.float64)
    norm = add_total(add_squares(inputs, graph), 0.0, graph)
    middles = add_products(inputs, -2.0 * matrix.T, 0.0, graph)
    sums = [
        add_total((middle, *norm), own, graph)[0]
        for middle, own in zip(middles, squared_norms(matrix), strict=True)
    ]
    squares = graph.columnwise(
        tuple(sums), "clip", lambda read, written: s.Clip(read, written, 0.0, np.inf)
    )
    return add_link(graph, squares, s.Function.SQRT)


def add_nearest(distances: Names, graph: Graph) -> Names:
    """Append the index of the smallest distance, the first of equals.

    The library compares squares instead where its array lies row by row in memory, as that of a
    single row does; a DataFrame's lies column by column. The two differ on ties alone. Source:
    ``pairwise_distances_argmin`` in sklearn/metrics/pairwise.py.
    """
    closeness = graph.arithmetic(distances, Operator.MULTIPLY, -1.0)
    return graph.add(s.Argmax(closeness, graph.label()))


def add_nearest_center(inputs: Names, centers: Any, graph: Graph) -> Names:
    """Append the index of the nearest center, as k-means finds it: without ``|x|²``.

    Source: ``_update_chunk_dense`` in sklearn/cluster/_k_means_lloyd.pyx.
    """
    matrix = np.asarray(centers, np.float64)
    scores = add_products(inputs, 2.0 * matrix.T, -squared_norms(matrix), graph)
    return graph.add(s.Argmax(scores, graph.label()))


def add_manhattan_distances(inputs: Names, centers: Any, graph: Graph) -> Names:
    """Append the sum of absolute differences to each center, added in the order of the columns."""
    sums: list[str] = []
    for center in np.asarray(centers, np.float64):
        gaps = graph.arithmetic(inputs, Operator.SUBTRACT, center)
        sums += add_total(add_link(graph, gaps, s.Function.ABSOLUTE), 0.0, graph)
    return tuple(sums)
