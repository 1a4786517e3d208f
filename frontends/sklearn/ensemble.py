"""``sklearn.ensemble``: forests; other ensembles are read in files of their own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Function, Operator, Precision
from ..convert import add_link, require_fitted
from ..sklearn_adaptive import convert_adaptive_classifier, convert_adaptive_regressor
from ..sklearn_bagging import convert_bagging_classifier, convert_bagging_regressor
from ..sklearn_boosting import (
    convert_boosting_classifier,
    convert_boosting_regressor,
    convert_histogram_classifier,
    convert_histogram_regressor,
)
from ..sklearn_outliers import answer_outlier
from ..sklearn_trees import check_integers, join_trees, read_tree, require_float32
from ..sklearn_voting import (
    convert_stacking_classifier,
    convert_stacking_regressor,
    convert_stacking_transformer,
    convert_voting_classifier,
    convert_voting_regressor,
    convert_voting_transformer,
)
from .tree import add_trees, allows_nan, answer_by_probability, average_trees, refuse_classes

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_forest_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the trees, added in their order.

    With ``n_jobs`` above 1 the library adds them in the order in which its threads finish, and
    its last digit changes from call to call; the answer here is that of one job.
    """
    members = require_fitted(model, "estimators_", graph)
    means = average_trees(members, inputs, graph, allow_nan=allows_nan(members[0]))
    return Outputs(prediction=means, margins=means)


def convert_forest_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average each class's probability over the trees; the first of the largest is the label.

    The order of the sums is that of one job, as in :func:`convert_forest_regressor`.
    """
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    means = average_trees(members, inputs, graph, allow_nan=allows_nan(members[0]))
    return answer_by_probability(model.classes_, means, graph)


def convert_isolation_forest(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add up how deep each tree isolates a row; 1 is an inlier, -1 is none.

    Missing and infinite values are read as any other. Source: ``_compute_score_samples`` in
    sklearn/ensemble/_iforest.py.
    """
    members = require_fitted(model, "estimators_", graph)
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    paths, means = model._decision_path_lengths, model._average_path_length_per_tree  # noqa: SLF001
    shown = model.estimators_features_
    parts = [
        read_tree(member.tree_, path + mean - 1.0, features)
        for member, path, mean, features in zip(members, paths, means, shown, strict=True)
    ]
    trees = join_trees(parts, [0] * len(parts))
    check_integers(trees, inputs, graph)
    outputs = graph.numbered("depth", 1)
    depths = graph.add(s.Forest(inputs, outputs, trees, np.zeros(1), Precision.FLOAT64))
    largest = len(members) * _average_path_length(model._max_samples)  # noqa: SLF001
    if largest == 0:
        raise graph.refuse("each of its trees saw one row only", "train with larger max_samples")
    ratio = graph.arithmetic(depths, Operator.DIVIDE, -largest)
    anomaly = add_link(graph, ratio, Function.NUMPY_POWER_OF_TWO)
    score = graph.arithmetic(anomaly, Operator.MULTIPLY, -1.0)
    return answer_outlier(graph.arithmetic(score, Operator.SUBTRACT, model.offset_), graph)


def _average_path_length(rows: int) -> float:
    """Ask the library how deep it expects a row among so many."""
    module = import_module("sklearn.ensemble._iforest")
    return float(module._average_path_length([rows])[0])  # noqa: SLF001 - no public one


def convert_embedding(model: Any, inputs: Names, graph: Graph) -> Names:
    """One column a leaf of each tree: 1 where the row is in it."""
    members = require_fitted(model, "estimators_", graph)
    require_float32(inputs, graph, allow_nan=allows_nan(members[0]))
    parts = [
        read_tree(member.tree_, np.arange(member.tree_.node_count, dtype=np.float64))
        for member in members
    ]
    leaves = add_trees(parts, len(members), inputs, graph)
    outputs: list[str] = []
    for leaf, codes in zip(leaves, model.one_hot_encoder_.categories_, strict=True):
        columns = graph.fresh([f"{leaf}={code}" for code in codes], "hot")
        outputs += graph.add(s.OneHot((leaf,), columns, np.asarray(codes, np.float64)))
    if model.sparse_output:
        graph.sparse.update(outputs)
    return tuple(outputs)


PREDICTORS = {
    "AdaBoostClassifier": convert_adaptive_classifier,
    "AdaBoostRegressor": convert_adaptive_regressor,
    "BaggingClassifier": convert_bagging_classifier,
    "BaggingRegressor": convert_bagging_regressor,
    "ExtraTreesClassifier": convert_forest_classifier,
    "ExtraTreesRegressor": convert_forest_regressor,
    "GradientBoostingClassifier": convert_boosting_classifier,
    "GradientBoostingRegressor": convert_boosting_regressor,
    "HistGradientBoostingClassifier": convert_histogram_classifier,
    "HistGradientBoostingRegressor": convert_histogram_regressor,
    "IsolationForest": convert_isolation_forest,
    "RandomForestClassifier": convert_forest_classifier,
    "RandomForestRegressor": convert_forest_regressor,
    "StackingClassifier": convert_stacking_classifier,
    "StackingRegressor": convert_stacking_regressor,
    "VotingClassifier": convert_voting_classifier,
    "VotingRegressor": convert_voting_regressor,
}
TRANSFORMERS = {
    "RandomTreesEmbedding": convert_embedding,
    "StackingClassifier": convert_stacking_transformer,
    "StackingRegressor": convert_stacking_transformer,
    "VotingClassifier": convert_voting_transformer,
    "VotingRegressor": convert_voting_transformer,
}
