"""scikit-learn's transformers that apply a function: steps, bins and products."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Trees
from ..ir import steps as s
from ..ir.steps import Operator, Precision
from ..ir.trees import LEAF
from .convert import add_constants, require_fitted
from .jumps import columns_of_sums

if TYPE_CHECKING:
    from .graph import Graph, Names


def convert_binarizer(binarizer: Any, inputs: Names, graph: Graph) -> Names:
    """1 where a value is above the threshold, else 0."""
    require_fitted(binarizer, "n_features_in_", graph)
    if not columns_of_sums(graph).isdisjoint(inputs):
        raise graph.refuse(
            "it compares a sum of products (such as PCA's), and its last bit differs from one "
            "machine to the next",
            "binarize the columns themselves",
        )
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    threshold = float(binarizer.threshold)
    outputs: list[str] = []
    for name in inputs:
        (output,) = graph.fresh([name], "exceeds")
        outputs += graph.add(s.Exceeds((name,), (output,), threshold))
    graph.follow_sparse(inputs, outputs)
    return tuple(outputs)


def convert_discretizer(discretizer: Any, inputs: Names, graph: Graph) -> Names:
    """Each value's bin, as a tree over the inner edges, or one column a bin."""
    edges = require_fitted(discretizer, "bin_edges_", graph)
    if discretizer.dtype not in {None, np.float64}:
        raise graph.refuse("dtype=np.float32 rounds the values first", "fit without dtype=")
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    outputs: list[str] = []
    for index, name in enumerate(inputs):
        inner = np.asarray(edges[index][1:-1], np.float64)
        trees, (bin_column,) = grow_bins(inner), graph.fresh([name], "bin")
        step = s.Forest((name,), (bin_column,), trees, np.zeros(1), Precision.FLOAT64)
        made = graph.add(step)
        if discretizer.encode != "ordinal":
            columns = graph.fresh([f"{name}={j}" for j in range(len(inner) + 1)], "hot")
            made = graph.add(s.OneHot((bin_column,), columns, np.arange(len(columns), dtype=float)))
        outputs += made
    if discretizer.encode == "onehot":
        graph.sparse.update(outputs)
    return tuple(outputs)


def grow_bins(edges: np.ndarray) -> Trees:
    """Grow a balanced tree whose leaf is the number of edges that are not above a value."""
    nodes: list[tuple[int, float, int, int, float]] = []

    def grow(low: int, high: int) -> int:
        place = len(nodes)
        if low == high:
            nodes.append((LEAF, 0.0, 0, 0, float(low)))
            return place
        middle = (low + high) // 2
        nodes.append((0, 0.0, 0, 0, 0.0))
        left, right = grow(low, middle), grow(middle + 1, high)
        # A tree goes left up to its threshold; a value on the edge goes right.
        below = float(np.nextafter(edges[middle], -np.inf))
        nodes[place] = (0, below, left, right, 0.0)
        return place

    grow(0, len(edges))
    feature, threshold, left, right, value = zip(*nodes, strict=True)
    count = len(nodes)
    return Trees(
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        missing_left=np.zeros(count, np.bool_),
        category_set=np.full(count, -1, np.int32),
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=np.array(value, np.float64),
        cover=np.zeros(count, np.float64),
        root=np.zeros(1, np.int32),
        output=np.zeros(1, np.int32),
    )


_LARGEST_SPARSE_DEGREE = 2


def convert_polynomial_features(features: Any, inputs: Names, graph: Graph) -> Names:
    """Give the bias, the columns and their products; longer products grow at the front."""
    require_fitted(features, "n_output_features_", graph)
    low, high = features._min_degree, features._max_degree  # noqa: SLF001 - no public equivalent
    if high > _LARGEST_SPARSE_DEGREE:
        graph.require_dense(inputs)
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    outputs = add_constants(graph, inputs, [1.0]) if features.include_bias else ()
    choose = combinations if features.interaction_only else combinations_with_replacement
    terms: dict[tuple[int, ...], str] = {(index,): name for index, name in enumerate(inputs)}
    for degree in range(1, high + 1):
        chosen = list(choose(range(len(inputs)), degree))
        if degree > 1 and chosen:
            lefts = tuple(terms[combination[1:]] for combination in chosen)
            rights = tuple(inputs[combination[0]] for combination in chosen)
            written = graph.numbered("product", len(chosen))
            terms.update(zip(chosen, graph.add(s.Product(lefts + rights, written)), strict=True))
        if degree >= low:
            outputs += tuple(terms[combination] for combination in chosen)
    return outputs


def weigh(columns: Names, weight: float | None, graph: Graph) -> Names:
    """Multiply a transformer's columns by its weight, if it has one."""
    if weight is None or not columns:
        return columns
    graph.require_numbers(columns)
    return graph.arithmetic(columns, Operator.MULTIPLY, weight)


def inverse_arithmetic(transformer: Any) -> tuple[tuple[Operator, Any], ...] | None:
    """List what a fitted scaler's inverse does to a column; None for another class."""
    match type(transformer).__name__:
        case "StandardScaler":
            steps = [(Operator.MULTIPLY, transformer.scale_)] * bool(transformer.with_std)
            return (*steps, *[(Operator.ADD, transformer.mean_)] * bool(transformer.with_mean))
        case "RobustScaler":
            steps = [(Operator.MULTIPLY, transformer.scale_)] * bool(transformer.with_scaling)
            return (*steps, *[(Operator.ADD, transformer.center_)] * transformer.with_centering)
        case "MinMaxScaler":
            return (Operator.SUBTRACT, transformer.min_), (Operator.DIVIDE, transformer.scale_)
        case "MaxAbsScaler":
            return ((Operator.MULTIPLY, transformer.scale_),)
        case _:
            return None
