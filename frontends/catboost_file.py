"""CatBoost's model files, which are read without CatBoost, and what is made of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import SignatureError
from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Function, Operator, Precision
from .catboost_cbm import MAGIC, read_cbm
from .catboost_json import read_json
from .catboost_trees import build_trees
from .convert import add_link

if TYPE_CHECKING:
    from ..ir import Scalar
    from .catboost_model import CatBoostModel
    from .graph import Graph, Names

_LOWEST_POWER, _HIGHEST_POWER = -708.0, 709.0


def read_catboost(data: bytes) -> CatBoostModel:
    """Read the bytes of a ``.cbm`` file, or of a model's JSON.

    Parameters
    ----------
    data
        What ``model.save_model(path)`` or ``model.save_model(path, format="json")`` wrote. They
        may come from anywhere: nothing in them is run, and every offset and size is checked.

    Returns
    -------
    CatBoostModel
        Its ``feature_names`` are the columns of the training frame, in their order.

    Raises
    ------
    UnsupportedModelError
        If the bytes are no such file, are truncated or edited, or hold what has no exact
        translation, such as text features.
    """
    return read_cbm(data) if data[:4] == MAGIC else read_json(data)


def convert_catboost(parsed: CatBoostModel, inputs: Names, graph: Graph) -> Outputs:
    """Translate a model that was read from a file.

    Parameters
    ----------
    parsed
        What :func:`read_catboost` gave.
    inputs
        The graph's columns, one for each of ``parsed.feature_names``.
    graph
        The model under construction. A model with categorical columns needs the training rows
        in ``graph.table``: it holds hashes of its categories, and not the categories.

    Returns
    -------
    Outputs
        What a ``CatBoostClassifier`` that loads the file answers where the model was trained to
        classify (Logloss, CrossEntropy, MultiClass, MultiClassOneVsAll), else a
        ``CatBoostRegressor``.

    Raises
    ------
    UnsupportedModelError
        If a part has no exact translation.
    SignatureError
        If the columns are not those of the model.
    """
    if is_classifier(parsed):
        return classify(parsed, inputs, graph)
    return regress(parsed, inputs, graph, _PREDICTIONS.get(loss_of(parsed), _RAW))


_RAW, _EXPONENT, _UNCERTAINTY = "RawFormulaVal", "Exponent", "RMSEWithUncertainty"
_PREDICTIONS = {"Poisson": _EXPONENT, "Tweedie": _EXPONENT, _UNCERTAINTY: _UNCERTAINTY}
_CLASSIFIES = frozenset({"CrossEntropy", "Logloss", "MultiClass", "MultiClassOneVsAll"})
_MANY_LABELS = frozenset({"MultiCrossEntropy", "MultiLogloss"})


def regress(model: CatBoostModel, inputs: Names, graph: Graph, prediction: str) -> Outputs:
    """Predict values: ``prediction`` is CatBoost's name of what is done with raw scores."""
    scores = add_scores(model, inputs, graph)
    match prediction:
        case "RawFormulaVal":
            predicted = scores
        case "Exponent" if len(scores) == 1:
            predicted = _exponential(model, scores, 1.0, graph)
        case "RMSEWithUncertainty" if len(scores) == 2:  # noqa: PLR2004 - mean and deviation
            twice = graph.arithmetic(scores[1:], Operator.MULTIPLY, 2.0)
            predicted = scores[:1] + _exponential(model, twice, 2.0, graph)
        case _:
            raise graph.refuse(
                f"its prediction {prediction!r} of {len(scores)} raw scores is not known",
                "train with a built-in loss_function",
            )
    return Outputs(prediction=predicted, margins=scores)


def _exponential(model: CatBoostModel, scores: Names, factor: float, graph: Graph) -> Names:
    """Append CatBoost's exponential, which depends at its ends on a row's place in its batch."""
    low, high = (factor * end for end in _range(model))
    if low < _LOWEST_POWER or high > _HIGHEST_POWER:
        raise graph.refuse(
            f"its raw scores reach from {low:.4g} to {high:.4g}, and for powers of e beyond 708 "
            "CatBoost's answer depends on the number of rows that it is asked for",
            "train on a target divided by a constant",
        )
    return add_link(graph, scores, Function.FMATH_EXP)


def _range(model: CatBoostModel) -> tuple[float, float]:
    """Give bounds of a row's last raw score."""
    leaves = [tree.values[tree.split < 0, -1] for tree in model.trees]
    ends = sum(leaf.min() for leaf in leaves), sum(leaf.max() for leaf in leaves)
    low, high = sorted(float(end) * model.scale + model.biases[-1] for end in ends)
    return low, high


def classify(model: CatBoostModel, inputs: Names, graph: Graph) -> Outputs:
    """Predict the class of the largest raw score; of two classes, by a border."""
    loss = loss_of(model)
    if loss in _MANY_LABELS:
        raise graph.refuse("it has several labels a row", "train one classifier for each label")
    classes = classes_of(model, graph)
    scores = add_scores(model, inputs, graph)
    if model.dimension > 1:
        label = graph.add(s.Argmax(scores, graph.label()))
        if loss == "MultiClassOneVsAll":
            probabilities = add_link(graph, scores, Function.SIGMOID)
        else:
            probabilities = graph.columnwise(
                scores,
                "softmax",
                lambda read, made: s.Softmax(read, made, exponential=Function.FMATH_EXP),
            )
        return Outputs(label, classes, probabilities, scores)
    label = graph.add(s.Exceeds((scores[0],), graph.label(), _border(model, graph)))
    positive = add_link(graph, scores, Function.SIGMOID)
    negative = graph.arithmetic(positive, Operator.SUBTRACT_FROM, 1.0)
    return Outputs(label, classes, negative + positive, scores)


def _border(model: CatBoostModel, graph: Graph) -> float:
    """Give the raw score above which a row is of the second class.

    Source: ``GetBinClassLogitThreshold`` in catboost/libs/model/model.cpp.
    """
    text = model.info.get("binclass_probability_threshold")
    if text is None:
        return 0.0
    try:
        probability = float(str(text))
    except ValueError:
        probability = math.nan
    if not 0.0 <= probability <= 1.0:
        raise graph.refuse(
            f"its probability threshold {text!r} is none", "call set_probability_threshold"
        )
    if probability in {0.0, 1.0}:
        return -math.inf if not probability else math.inf
    return -math.log(1.0 / probability - 1.0)


class _Labels(NamedTuple):
    """CatBoost's note about classes; ``numbers`` says which of them each raw score is for."""

    named: int
    names: list[Any]
    numbers: list[Any]
    kind: str


def classes_of(model: CatBoostModel, graph: Graph) -> tuple[Scalar, ...]:
    """Give the labels, in the order of the raw scores.

    Source: ``TExternalLabelsHelper`` in catboost/private/libs/labels/external_label_helper.cpp.
    """
    labels = _note_of(model, graph)
    expected = 2 if model.dimension == 1 else model.dimension
    names = labels.names or (list(range(labels.named)) if labels.named else labels.numbers)
    is_plain = labels.numbers == list(range(expected)) or not (labels.names or labels.named)
    if len(names) != expected or not is_plain:
        raise graph.refuse(
            f"it has {expected} classes, and {len(names)} were named to it",
            "train it on rows of every class that class_names or classes_count names, or without "
            "these parameters",
        )
    cast = {"Integer": int, "Float": float, "String": str, "Boolean": bool}.get(labels.kind)
    kinds = (bool, int, float) if cast is not str else (str,)
    if cast is None or not all(isinstance(name, kinds) for name in names):
        raise graph.refuse(
            f"its class labels {names[:5]!r} are of kind {labels.kind!r}", "use texts or numbers"
        )
    found = tuple(cast(name) for name in names)
    if len(set(found)) != len(found):
        raise graph.refuse("two of its classes have one label", "name each class once")
    return found


def _note_of(model: CatBoostModel, graph: Graph) -> _Labels:
    note = model.info.get("class_params")
    if not isinstance(note, dict):
        raise graph.refuse("it does not say what its classes are", "train a CatBoostClassifier")
    members: dict[str, Any] = note
    names, numbers = members.get("class_names", []), members.get("class_to_label", [])
    count = members.get("classes_count", 0)
    kind = members.get("class_label_type", "Integer")
    if not (isinstance(names, list) and isinstance(numbers, list) and isinstance(count, int)):
        raise graph.refuse("its note about classes is not known", "save it with CatBoost 1.2")
    return _Labels(min(count, 1 << 16), names, numbers, str(kind))


def is_classifier(model: CatBoostModel) -> bool:
    """Whether :func:`convert_catboost` gives what a ``CatBoostClassifier`` answers."""
    return loss_of(model) in _CLASSIFIES


def loss_of(model: CatBoostModel) -> str:
    """Name the function that training minimized, without its parameters."""
    params = model.info.get("params")
    loss: Any = params.get("loss_function") if isinstance(params, dict) else None
    if isinstance(loss, dict):
        loss = loss.get("type")
    return str(loss or "").partition(":")[0]


def add_scores(model: CatBoostModel, inputs: Names, graph: Graph) -> Names:
    """Append the trees, and what is done with their sum.

    CatBoost adds leaves to 0, tree by tree, then multiplies by the scale and adds the bias, each
    where it changes anything. Source: ``ApplyScaleAndBias`` in catboost/libs/model.
    """
    if len(model.feature_names) != len(inputs):
        message = (
            f"{graph.path}: the model has {len(model.feature_names)} features, and the frame has "
            f"{len(inputs)} columns. Give the frame that was passed to training."
        )
        raise SignatureError(message)
    columns, trees = build_trees(model, inputs, graph)
    outputs = graph.numbered("margin", model.dimension)
    start = np.zeros(model.dimension)
    scores = graph.add(s.Forest(columns, outputs, trees, start, Precision.FLOAT64))
    if model.scale != 1.0:
        scores = graph.arithmetic(scores, Operator.MULTIPLY, model.scale)
    if any(model.biases):
        scores = graph.arithmetic(scores, Operator.ADD, model.biases)
    return scores
