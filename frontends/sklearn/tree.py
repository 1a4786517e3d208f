"""``sklearn.tree``: single decision trees, and how sums of them answer.

A classifier's leaf holds a probability for each class. Each class is a tree of its own here, the
same splits with other leaves, because the library rounds each class's sum on its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator, Precision
from ..convert import require_fitted
from ..sklearn_trees import check_integers, join_trees, read_tree, require_float32
from ..values import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph import Graph, Names
    from ..sklearn_trees import Nodes


def convert_tree_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the leaf's value, one a target."""
    require_fitted(model, "tree_", graph)
    values = average_trees([model], inputs, graph, allow_nan=allows_nan(model))
    return Outputs(prediction=values, margins=values)


def convert_tree_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the leaf's share of each class; the first of the largest is the label."""
    require_fitted(model, "tree_", graph)
    refuse_classes(model, graph)
    probabilities = average_trees([model], inputs, graph, allow_nan=allows_nan(model))
    return answer_by_probability(model.classes_, probabilities, graph)


def average_trees(
    members: Sequence[Any],
    inputs: Names,
    graph: Graph,
    *,
    allow_nan: bool,
    features: Sequence[Any] | None = None,
) -> Names:
    """Add the trees one after another, then divide by how many there are.

    ``features`` gives the inputs that each tree was shown, where they are not all.
    """
    shown = [np.arange(len(inputs))] * len(members) if features is None else features
    checked = np.unique(np.concatenate(shown)).tolist()
    require_float32(tuple(inputs[index] for index in checked), graph, allow_nan=allow_nan)
    tables = [member.tree_.value.reshape(member.tree_.node_count, -1) for member in members]
    width = tables[0].shape[1]
    parts = [
        read_tree(member.tree_, table[:, column], seen)
        for member, table, seen in zip(members, tables, shown, strict=True)
        for column in range(width)
    ]
    sums = add_trees(parts, width, inputs, graph)
    return sums if len(members) == 1 else graph.arithmetic(sums, Operator.DIVIDE, len(members))


def add_trees(parts: Sequence[Nodes], width: int, inputs: Names, graph: Graph) -> Names:
    """Add trees that take turns in adding to ``width`` scores, which start from 0."""
    trees = join_trees(parts, list(range(width)) * (len(parts) // width))
    check_integers(trees, inputs, graph)
    outputs = graph.numbered("leaf", width)
    return graph.add(s.Forest(inputs, outputs, trees, np.zeros(width), Precision.FLOAT64))


def allows_nan(model: Any) -> bool:
    """Whether the library accepts NaN: its criterion and splitter decide, not its training."""
    return bool(model.__sklearn_tags__().input_tags.allow_nan)


def refuse_classes(model: Any, graph: Graph) -> None:
    """Refuse classifiers of several targets, and those that know a single class."""
    if getattr(model, "n_outputs_", 1) > 1:
        raise graph.refuse(
            f"it predicts {model.n_outputs_} labels at once",
            "train one classifier for each target",
        )
    if len(model.classes_) == 1:
        raise graph.refuse(
            f"it was trained on a single class, {labels_of(model.classes_)[0]!r}",
            "train it on rows of two classes or more",
        )


def answer_by_probability(classes: Any, probabilities: Names, graph: Graph) -> Outputs:
    """Predict the class of the highest probability, the first of equals.

    Contributions are given for the probabilities themselves, of two classes for the second.
    """
    label = graph.add(s.Argmax(probabilities, graph.label()))
    margins = probabilities[1:] if len(probabilities) == 2 else probabilities  # noqa: PLR2004
    return Outputs(label, labels_of(classes), probabilities, margins)


PREDICTORS = {
    "DecisionTreeClassifier": convert_tree_classifier,
    "DecisionTreeRegressor": convert_tree_regressor,
    "ExtraTreeClassifier": convert_tree_classifier,
    "ExtraTreeRegressor": convert_tree_regressor,
}
