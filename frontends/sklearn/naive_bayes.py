"""``sklearn.naive_bayes``: a joint log-likelihood a class, and shares of their exponentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import steps as s
from ...ir.steps import Operator, Precision
from ..convert import require_fitted
from ..jumps import columns_of_sums
from ..sklearn_functions import grow_bins
from ..sklearn_likelihoods import (
    add_products,
    add_squares,
    add_total,
    answer_by_likelihood,
    finite_log,
    refuse_infinite,
    require_finite,
)
from ..values import labels_of
from .tree import refuse_classes

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_gaussian(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add up squared distances from each class's means, divided by its variances."""
    variances = require_fitted(model, "var_", graph)
    refuse_classes(model, graph)
    require_finite(inputs, graph)
    priors = finite_log(model.class_prior_, graph)
    scores: list[str] = []
    for index, (means, variance) in enumerate(zip(model.theta_, variances, strict=True)):
        gaps = graph.arithmetic(inputs, Operator.SUBTRACT, means)
        ratios = graph.arithmetic(add_squares(gaps, graph), Operator.DIVIDE, variance)
        halves = graph.arithmetic(add_total(ratios, 0.0, graph), Operator.MULTIPLY, 0.5)
        constant = -0.5 * np.sum(finite_log(2.0 * np.pi * variance, graph))
        density = graph.arithmetic(halves, Operator.SUBTRACT_FROM, constant)
        scores += graph.arithmetic(density, Operator.ADD, priors[index])
    return answer_by_likelihood(labels_of(model.classes_), tuple(scores), graph)


def convert_multinomial(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums of the counts, plus the classes' log-priors."""
    weights = require_fitted(model, "feature_log_prob_", graph)
    return _answer_by_sums(model, inputs, (weights, model.class_log_prior_), graph)


def convert_complement(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums of the counts."""
    weights = require_fitted(model, "feature_log_prob_", graph)
    return _answer_by_sums(model, inputs, (weights, np.zeros(len(weights))), graph)


def convert_bernoulli(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums of flags: each value is above the threshold or not, where there is one."""
    present = require_fitted(model, "feature_log_prob_", graph)
    absent = finite_log(1 - np.exp(present), graph)
    offsets = model.class_log_prior_ + absent.sum(axis=1)
    if model.binarize is None:
        return _answer_by_sums(model, inputs, (present - absent, offsets), graph)
    require_finite(inputs, graph)
    if not columns_of_sums(graph).isdisjoint(inputs):
        raise graph.refuse(
            "it compares a sum of products (such as PCA's) with a threshold, and the last bit of "
            "the sum differs from one machine to the next",
            "fit it on the columns themselves, or with binarize=None",
        )
    flags: list[str] = []
    for name in inputs:
        flag = graph.fresh([name], "exceeds")
        flags += graph.add(s.Exceeds((name,), (flag[0],), float(model.binarize)))
    return _answer_by_sums(model, tuple(flags), (present - absent, offsets), graph)


def convert_categorical(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add up a logarithm a category; values are cut to integers, and unknown ones are refused."""
    tables = require_fitted(model, "feature_log_prob_", graph)
    refuse_classes(model, graph)
    require_finite(inputs, graph)
    flags: list[str] = []
    for name, table in zip(inputs, tables, strict=True):
        refuse_infinite(table, graph)
        flags += _add_categories(name, table.shape[1], graph)
    refuse_infinite(model.class_log_prior_, graph)
    weights = np.concatenate(tables, axis=1).T
    scores = add_products(tuple(flags), weights, model.class_log_prior_, graph)
    return answer_by_likelihood(labels_of(model.classes_), scores, graph)


def _add_categories(name: str, count: int, graph: Graph) -> Names:
    """Append a flag a category: that of the value without its fraction, or the row is refused."""
    # Above -1 a negative number is cut to 0. The first bin and the last are no category.
    above = float(np.nextafter(-1.0, 0.0))
    trees = grow_bins(np.array([above, *range(1, count + 1)], np.float64))
    (bins,) = graph.fresh([name], "category")
    graph.add(s.Forest((name,), (bins,), trees, np.zeros(1), Precision.FLOAT64))
    keys = np.arange(1.0, count + 1)
    where = graph.path.rsplit(".", 1)[-1]
    (code,) = graph.fresh([name], "code")
    values = np.arange(count, dtype=np.float64)
    graph.add(s.Lookup((bins,), (code,), where, tuple(keys.tolist()), values, None, None))
    columns = graph.fresh([f"{name}={category}" for category in range(count)], "hot")
    return graph.add(s.OneHot((code,), columns, values))


def _answer_by_sums(
    model: Any, inputs: Names, linear: tuple[np.ndarray, np.ndarray], graph: Graph
) -> Outputs:
    weights, offsets = linear
    refuse_classes(model, graph)
    require_finite(inputs, graph)
    refuse_infinite(weights, graph)
    refuse_infinite(offsets, graph)
    scores = add_products(inputs, weights.T, offsets, graph)
    return answer_by_likelihood(labels_of(model.classes_), scores, graph)


PREDICTORS = {
    "BernoulliNB": convert_bernoulli,
    "CategoricalNB": convert_categorical,
    "ComplementNB": convert_complement,
    "GaussianNB": convert_gaussian,
    "MultinomialNB": convert_multinomial,
}
