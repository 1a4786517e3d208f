"""``xgboost``: Boosters and the scikit-learn wrappers, read from XGBoost's own model JSON.

XGBoost computes in float32. Sums of trees and links are rounded as it rounds them, so raw scores
and predictions are its own bit for bit, where its C library is glibc.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import SignatureError
from ..ir import ColumnType, Outputs
from ..ir import steps as s
from ..ir.steps import Function, Operator, Precision
from ..ir.thresholds import LARGEST_TO_FLOAT32, at_most_float32, below_float32
from ..ir.trees import LEAF
from .convert import add_link, require_fitted
from .values import key_of, labels_of
from .xgboost_json import read_model_json
from .xgboost_linear import add_linear_terms, require_exact_integers
from .xgboost_start import start_of
from .xgboost_trees import build_trees, leaf_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Trees
    from .graph import Graph, Names
    from .xgboost_json import Levels, ModelJson


class Sums(NamedTuple):
    """Where each raw score starts, and what each tree's nodes add to it if they are leaves."""

    start: NDArray[np.float32]
    leaves: list[NDArray[np.float32]]


class Answers(NamedTuple):
    """The columns that a Booster's own ``predict`` gives, and the raw scores behind them."""

    predicted: Names
    margins: Names


def convert_booster(booster: Any, inputs: Names, graph: Graph) -> Outputs:
    """``Booster.predict`` of a DMatrix: all rounds, and no infinite values."""
    return convert_model(_read(booster, graph), inputs, graph)


def convert_model(model: ModelJson, inputs: Names, graph: Graph) -> Outputs:
    """Convert what a file, or a Booster, holds: ``predict`` of a DMatrix."""
    _refuse_diverged(model, graph)
    _require_finite(inputs, graph)
    starts = start_of(model, graph)
    leaves = [leaf_values(tree) for tree in model.trees]
    if model.weights is not None:
        weights = np.array(model.weights, np.float32)
        leaves = [leaf * weight for leaf, weight in zip(leaves, weights, strict=True)]
    answers = _run(model, Sums(starts, leaves), inputs, graph)
    return Outputs(prediction=answers.predicted, margins=answers.margins)


def _require_finite(inputs: Names, graph: Graph) -> None:
    """Refuse what XGBoost does when it makes a DMatrix."""
    numbers = tuple(name for name in inputs if graph.types[name] is ColumnType.DOUBLE)
    graph.require(numbers, missing=False, infinite=True, largest=LARGEST_TO_FLOAT32)


def convert_regressor(estimator: Any, inputs: Names, graph: Graph) -> Outputs:
    """``predict`` of a wrapper: rounds up to the best one."""
    answers, _ = _convert_wrapper(estimator, inputs, graph)
    return Outputs(prediction=answers.predicted, margins=answers.margins)


def convert_classifier(estimator: Any, inputs: Names, graph: Graph) -> Outputs:
    """``XGBClassifier``: the class of the highest probability, the first of equals.

    Of two classes, the second where its probability is above a half.
    """
    answers, model = _convert_wrapper(estimator, inputs, graph)
    classes = labels_of(estimator.classes_)
    _refuse_classifier(model, len(classes), graph)
    probabilities = answers.predicted
    last = probabilities[-1]
    if len(probabilities) > 1:
        label = graph.add(s.Argmax(probabilities, graph.label()))
    else:
        label = graph.add(s.Exceeds((last,), graph.label(), 0.5))
        negative = graph.arithmetic(probabilities, Operator.SUBTRACT_FROM, 1.0)
        probabilities = add_link(graph, negative, Function.FLOAT32) + probabilities
    return Outputs(label, classes, probabilities, answers.margins)


_CLASSIFIES = frozenset({"binary:hinge", "binary:logistic", "multi:softprob", "reg:logistic"})


def _refuse_classifier(model: ModelJson, classes: int, graph: Graph) -> None:
    if classes == 1:
        raise graph.refuse("it was trained on a single class", "train it on two classes or more")
    if model.targets > 1:
        raise graph.refuse("it has several labels a row", "train one classifier for each label")
    if model.objective not in _CLASSIFIES:
        raise graph.refuse(
            f"its predict_proba does not give the probabilities of objective={model.objective!r}",
            f"train with one of {sorted(_CLASSIFIES)}",
        )
    if model.outputs == 2:  # noqa: PLR2004 - two classes
        raise graph.refuse(
            "with a score for each of two classes its predict gives two columns and no label",
            "train with objective='binary:logistic'",
        )


def _read(booster: Any, graph: Graph) -> ModelJson:
    return read_model_json(json.loads(bytes(booster.save_raw("json"))), graph)


def _refuse_diverged(model: ModelJson, graph: Graph) -> None:
    numbers = (*map(leaf_values, model.trees), np.array(model.coefficients or (), np.float32))
    if not all(np.isfinite(part).all() for part in numbers):
        raise graph.refuse(
            "its training diverged: leaves, splits or weights are infinite or not a number",
            "train with a lower learning_rate, or a higher reg_lambda",
        )


def _convert_wrapper(estimator: Any, inputs: Names, graph: Graph) -> tuple[Answers, ModelJson]:
    if not estimator.__sklearn_is_fitted__():
        require_fitted(None, "_Booster", graph)
    if callable(estimator.objective):
        raise _refuse_objective("a function of your own", graph)
    booster = estimator.get_booster()
    model = _read(booster, graph)
    _refuse_diverged(model, graph)
    if model.coefficients is None:
        model = model.until(None if model.best_iteration is None else model.best_iteration + 1)
    elif not np.isinf(_as_float32(estimator.missing)):
        # Of a linear booster the wrappers ask a DMatrix.
        _require_finite(inputs, graph)
    starts = start_of(model, graph)
    leaves = [leaf_values(tree) for tree in model.trees]
    if model.weights is not None:
        leaves = _weighted_in_place(model, starts, leaves)
    return _run(model, Sums(starts, leaves), inputs, graph, estimator.missing), model


def _weighted_in_place(
    model: ModelJson, starts: NDArray[np.float32], leaves: list[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Weigh DART's leaves as the wrappers do: they add the start, take it away, then multiply.

    Source: ``Dart::InplacePredict`` in src/gbm/gbtree.cc.
    """
    weights = np.array(model.weights, np.float32)
    triples = zip(leaves, model.group, weights, strict=True)
    return [((starts[group] + leaf) - starts[group]) * weight for leaf, group, weight in triples]


def _as_float32(missing: Any) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(missing)


def _without(missing: Any, inputs: Names, model: ModelJson, graph: Graph) -> Names:
    """Make the wrapper's ``missing`` value missing; it is compared after the cast to float32."""
    value = _as_float32(missing)
    if np.isnan(value):
        return inputs
    integers = [name for name in inputs if graph.types[name] is ColumnType.BIGINT]
    if "c" in model.feature_types or (integers and _EXACT_INTEGERS <= abs(value) < np.inf):
        raise graph.refuse(
            f"missing={missing!r} is compared with the codes of categories, or with integers that "
            "float32 does not hold",
            "make the values missing (NULL, NaN) in the data and train with missing=nan",
        )
    graph.require_numbers(inputs)
    low, high = _range_of(value)
    return graph.columnwise(inputs, "null", lambda read, made: s.NullIf(read, made, low, high))


_EXACT_INTEGERS = 2.0**53


def _range_of(value: np.float32) -> tuple[float, float]:
    """Give the least and the largest float64 that a cast to float32 makes equal to a value."""
    if value == -np.inf:
        return -math.inf, float(np.nextafter(-LARGEST_TO_FLOAT32, -np.inf))
    exact = np.array([value], np.float64)
    return float(np.nextafter(below_float32(exact)[0], np.inf)), float(at_most_float32(exact)[0])


def _run(
    model: ModelJson, sums: Sums, inputs: Names, graph: Graph, missing: Any = math.nan
) -> Answers:
    if model.features != len(inputs):
        message = (
            f"{graph.path}: the Booster has {model.features} features, and the frame has "
            f"{len(inputs)} columns. Give the frame that was passed to training."
        )
        raise SignatureError(message)
    graph.require_dense(inputs)
    if model.coefficients is None:
        trees = build_trees(model, sums.leaves)
        _refuse_large_integers(trees, inputs, graph)
    else:
        trees = None
        require_exact_integers(inputs, graph)
    columns = _encode_categories(model, _without(missing, inputs, model, graph), graph)
    outputs = graph.numbered("margin", model.outputs)
    if trees is None:
        margins = add_linear_terms(model, sums.start, columns, outputs, graph)
    else:
        start = sums.start.astype(np.float64)
        margins = graph.add(s.Forest(columns, outputs, trees, start, Precision.FLOAT32))
    return Answers(_link(model, margins, graph), margins)


def _encode_categories(model: ModelJson, inputs: Names, graph: Graph) -> Names:
    """Turn categories into XGBoost's codes; it refuses those that it was not trained on."""
    types = model.feature_types or ("float",) * len(inputs)
    levels = model.levels or (None,) * len(inputs)
    columns = [
        _encode(name, kind == "c", known, graph)
        for name, kind, known in zip(inputs, types, levels, strict=True)
    ]
    graph.require_numbers(tuple(columns))
    return tuple(columns)


def _encode(name: str, is_categorical: bool, levels: Levels | None, graph: Graph) -> str:
    signature = graph.signature
    came_as_categories = name in signature and signature[name].categories is not None
    if levels is None and not came_as_categories:
        if is_categorical and graph.types[name] is ColumnType.DOUBLE:
            raise graph.refuse(
                f"the categories of column {name!r} came as floating-point numbers, of which "
                "XGBoost reads the integer part in float32",
                "train on a column of integers, or of pandas' category type",
            )
        return name
    if levels is None:
        raise graph.refuse(
            f"it does not hold the categories of column {name!r}",
            "train with XGBoost 3.1 or newer, which stores them in the model",
        )
    if not came_as_categories:
        message = (
            f"{graph.path}: column {name!r} came as categories in training, and is none in the "
            "frame. Give the frame that was passed to training, with its dtypes."
        )
        raise SignatureError(message)
    if graph.is_arrow:
        raise graph.refuse(
            f"column {name!r} has categories of polars or Arrow, which SQL's text cannot be turned "
            "back into",
            "give the frame of pandas: like=frame.to_pandas(), with its columns as category",
        )
    if not all(level.isascii() for level in levels if isinstance(level, str)):
        raise graph.refuse(
            f"categories of column {name!r} have letters beyond ASCII, whose bytes XGBoost assigns "
            "to the wrong categories",
            "rename the categories, for example with series.cat.rename_categories",
        )
    keys = tuple(key_of(level, graph.types[name]) for level in levels)
    codes = np.arange(len(keys), dtype=np.float64)
    output = graph.fresh([name], "code")[0]
    step = s.Lookup((name,), (output,), "XGBoost", keys, codes, missing=math.nan, unknown=None)
    return graph.add(step)[0]


def _refuse_large_integers(trees: Trees, inputs: Names, graph: Graph) -> None:
    """Refuse splits of integers so large that float64, in between, would round them first."""
    numeric = (trees.feature != LEAF) & (trees.category_set < 0)
    far = numeric & (np.abs(trees.threshold) >= _EXACT_INTEGERS / 2)
    for index in np.unique(trees.feature[far]).tolist():
        if graph.types[inputs[index]] is ColumnType.BIGINT:
            raise graph.refuse(
                f"it splits integers of column {inputs[index]!r} beyond 2**52",
                "train on the column as float64, or divided by a power of two",
            )


_IDENTITY = frozenset(
    {
        "binary:logitraw",
        "rank:map",
        "rank:ndcg",
        "rank:pairwise",
        "reg:absoluteerror",
        "reg:expectileerror",
        "reg:pseudohubererror",
        "reg:quantileerror",
        "reg:squarederror",
        "reg:squaredlogerror",
    }
)


def _link(model: ModelJson, margins: Names, graph: Graph) -> Names:  # noqa: PLR0911 - one a link
    """Apply the objective's ``PredTransform``. Source: src/objective of XGBoost."""
    match model.objective:
        case "binary:logistic" | "reg:logistic":
            return add_link(graph, margins, Function.FLOAT32_SIGMOID)
        case "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox":
            return add_link(graph, margins, Function.FLOAT32_EXP)
        case "survival:aft":
            # It calls C's ``exp``, not ``expf``.
            return add_link(graph, add_link(graph, margins, Function.EXP), Function.FLOAT32)
        case "binary:hinge":
            labels = graph.fresh(margins, "hinge")
            for margin, label in zip(margins, labels, strict=True):
                graph.add(s.Exceeds((margin,), (label,), 0.0))
            return labels
        case "multi:softprob":
            return graph.columnwise(
                margins, "softmax", lambda read, made: s.Softmax(read, made, Precision.FLOAT32)
            )
        case "multi:softmax":
            return graph.add(s.Argmax(margins, graph.label()))
        case name if name in _IDENTITY:
            return margins
        case name:
            raise _refuse_objective(f"objective {name!r}", graph)


def _refuse_objective(what: str, graph: Graph) -> Exception:
    return graph.refuse(
        f"it was trained with {what}, whose link from raw score to prediction is not known",
        "train with a built-in objective",
    )


PREDICTORS = {
    "Booster": convert_booster,
    "XGBClassifier": convert_classifier,
    "XGBRanker": convert_regressor,
    "XGBRegressor": convert_regressor,
    "XGBRFClassifier": convert_classifier,
    "XGBRFRegressor": convert_regressor,
}
