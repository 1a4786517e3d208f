"""libsvm's kernel machines, as scikit-learn wraps them."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Function, Kernel, Operator
from .convert import add_constants, add_link, require_fitted
from .sklearn_kernels import LINEAR, Expansion, Factor, add_kernel_sum
from .values import labels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .graph import Graph, Names

_LEAST = 1e-7
"""libsvm keeps the probability of a pair this far from 0 and 1."""


def add_machine(model: Any, inputs: Names, graph: Graph) -> Names:
    """Append libsvm's decision values: one, or one for each pair of classes.

    Of a sparse matrix libsvm skips what is zero, which adds nothing.
    """
    coefficients, vectors = require_fitted(model, "_dual_coef_", graph), model.support_vectors_
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    if model._sparse:  # noqa: SLF001 - no public equivalent
        coefficients, vectors = coefficients.toarray(), vectors.toarray()
    else:
        graph.require_dense(inputs)
    intercepts = np.asarray(model._intercept_, np.float64)  # libsvm's own signs
    weights = _weights(np.asarray(coefficients, np.float64), model)
    expansion = Expansion(vectors, weights, intercepts)
    return add_kernel_sum(expansion, [_kernel(model, graph)], inputs, graph)


def _kernel(model: Any, graph: Graph) -> Factor:
    gamma, constant = float(model._gamma), float(model.coef0)  # noqa: SLF001 - no public equivalent
    match model.kernel:
        case "linear":
            return LINEAR
        case "poly":
            return Factor(Kernel.POLYNOMIAL, gamma, constant, float(model.degree))
        case "rbf":
            return Factor(Kernel.RBF, gamma)
        case "sigmoid":
            return Factor(Kernel.SIGMOID, gamma, constant)
        case _:
            shown = repr(model.kernel) if isinstance(model.kernel, str) else "that is a function"
            raise graph.refuse(
                f"kernel {shown} has no exact translation",
                "fit with kernel='rbf', 'poly', 'sigmoid' or 'linear', on the columns themselves",
            )


def _weights(coefficients: NDArray[np.float64], model: Any) -> NDArray[np.float64]:
    """Give each pair of classes its weights: those of the first's vectors, then the second's.

    Source: ``svm_predict_values`` in libsvm's svm.cpp.
    """
    if not hasattr(model, "classes_"):
        return coefficients.T
    counts = np.asarray(model.n_support_).tolist()
    ends = np.cumsum([0, *counts]).tolist()
    pairs = list(combinations(range(len(counts)), 2))
    weights = np.zeros((ends[-1], len(pairs)))
    for pair, (i, j) in enumerate(pairs):
        first, second = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        weights[first, pair] = coefficients[j - 1, first]
        weights[second, pair] = coefficients[i, second]
    return weights


def add_votes(model: Any, pairs: Names, graph: Graph) -> Outputs:
    """Append label, raw scores and, where there are any, probabilities."""
    count = len(model.classes_)
    is_binary, by_class = len(pairs) == 1, model.decision_function_shape == "ovr"
    if model.break_ties and not by_class:
        raise graph.refuse(
            "it breaks ties with decision_function_shape='ovo', which scikit-learn refuses",
            "fit with decision_function_shape='ovr'",
        )
    opposite = graph.arithmetic(pairs, Operator.MULTIPLY, -1.0)
    if is_binary:
        margins = opposite
    else:
        margins = _add_scores(pairs, opposite, count, graph) if by_class else pairs
    is_by_score = model.break_ties and not is_binary
    votes = margins if is_by_score else _add_tally(pairs, count, graph)
    label = graph.add(s.Argmax(votes, graph.label()))
    return _with_probabilities(model, pairs, label, margins, graph)


def _add_exceeds(name: str, graph: Graph) -> str:
    output = graph.fresh([name], "wins")[0]
    return graph.add(s.Exceeds((name,), (output,), 0.0))[0]


def _add_tally(pairs: Names, count: int, graph: Graph) -> Names:
    """Append how many pairs each class wins: the first one's are those above 0.

    They are whole numbers, which no order of adding changes.
    """
    wins = tuple(_add_exceeds(name, graph) for name in pairs)
    weights, second = _signs(count), np.zeros(count)
    for _, j in combinations(range(count), 2):
        second[j] += 1.0
    return graph.add(s.Dot(wins, graph.numbered("votes", count), weights, second))


def _signs(count: int) -> NDArray[np.float64]:
    """Give 1 for the first class of a pair and -1 for the second: float64[pairs, classes]."""
    pairs = list(combinations(range(count), 2))
    signs = np.zeros((len(pairs), count))
    for pair, (i, j) in enumerate(pairs):
        signs[pair, i], signs[pair, j] = 1.0, -1.0
    return signs


def _add_scores(pairs: Names, opposite: Names, count: int, graph: Graph) -> Names:
    """Append each class's votes, plus the sum of its values brought below a third.

    Source: ``_ovr_decision_function`` in sklearn/utils/multiclass.py. Here, a pair is the second
    class's where its value is below 0.
    """
    losses = tuple(_add_exceeds(name, graph) for name in opposite)
    sums = graph.add(
        s.Dot(pairs, graph.numbered("confidence", count), _signs(count), np.zeros(count))
    )
    (one,) = add_constants(graph, pairs[:1], [1.0])
    shares: list[str] = []
    for name in sums:
        outputs = graph.fresh([name, one], "share")
        shares.append(graph.add(s.Normalize((name, one), outputs, s.Norm.ABSOLUTE_SUM))[0])
    first = np.zeros(count)
    for i, _ in combinations(range(count), 2):
        first[i] += 1.0
    weights = np.concatenate([-_signs(count), np.eye(count) / 3])
    return graph.add(s.Dot((*losses, *shares), graph.numbered("margin", count), weights, first))


def _with_probabilities(
    model: Any, pairs: Names, label: Names, margins: Names, graph: Graph
) -> Outputs:
    """Append libsvm's probabilities: a sigmoid a pair, kept off 0 and 1, and coupled.

    Source: ``svm_predict_probability`` in libsvm's svm.cpp.
    """
    labels = labels_of(model.classes_)
    if not _has_probabilities(model):
        return Outputs(label, labels, (), margins)
    slopes, shifts = model._probA, model._probB  # noqa: SLF001 - the public names are deprecated
    if slopes.size != len(pairs):
        raise graph.refuse(
            "it was fitted without probabilities, and asked for them later",
            "fit with probability=True, or put it into CalibratedClassifierCV",
        )
    exponents = graph.arithmetic(
        graph.arithmetic(pairs, Operator.MULTIPLY, -slopes), Operator.SUBTRACT, shifts
    )
    likely = add_link(graph, exponents, Function.SIGMOID)
    kept = graph.columnwise(
        likely, "kept", lambda read, written: s.Clip(read, written, _LEAST, 1.0 - _LEAST)
    )
    shares = graph.add(s.Couple(kept, graph.numbered("share", len(labels))))
    return Outputs(label, labels, shares, margins)


def _has_probabilities(model: Any) -> bool:
    """Whether scikit-learn offers them; ``"deprecated"`` is the default from 1.8 on."""
    return model.probability is not False and model.probability != "deprecated"
