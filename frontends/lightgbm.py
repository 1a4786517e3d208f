"""``lightgbm``: Boosters and the scikit-learn wrappers, read from LightGBM's own model text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import SignatureError
from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Function, Operator, Precision
from ..ir.thresholds import LIGHTGBM_ZERO
from .convert import add_link, require_fitted
from .lightgbm_linear import make_linear_forest, refuse_diverged
from .lightgbm_text import read_model_text
from .lightgbm_trees import build_trees
from .values import key_of, labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .graph import Graph, Names
    from .lightgbm_text import ModelText


class Answers(NamedTuple):
    """The columns that a Booster's own ``predict`` gives, and the raw scores behind them."""

    predicted: Names
    margins: Names


def convert_booster(booster: Any, inputs: Names, graph: Graph) -> Outputs:
    """``Booster.predict``: values, probabilities of the positive class, or one a class."""
    answers = _convert(booster, inputs, graph)
    return Outputs(prediction=answers.predicted, margins=answers.margins)


def convert_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """``LGBMRegressor.predict`` gives what its Booster gives."""
    return convert_booster(_booster(model, graph), inputs, graph)


def convert_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """``LGBMClassifier``: the class of the highest probability, the first of equals."""
    answers = _convert(_booster(model, graph), inputs, graph)
    if len(model.classes_) == 1:
        raise graph.refuse(
            f"it was trained on a single class, {labels_of(model.classes_)[0]!r}",
            "train it on rows of two classes or more",
        )
    probabilities = answers.predicted
    if len(probabilities) == 1:
        negative = graph.arithmetic(probabilities, Operator.SUBTRACT_FROM, 1.0)
        probabilities = negative + probabilities
    label = graph.add(s.Argmax(probabilities, graph.label()))
    return Outputs(label, labels_of(model.classes_), probabilities, answers.margins)


def _booster(model: Any, graph: Graph) -> Any:
    if getattr(model, "_Booster", None) is None:
        require_fitted(None, "booster_", graph)
    if callable(model.objective_):
        raise _refuse_objective("a function of your own", graph)
    _refuse_early_stop(model.get_params(), graph)
    return model.booster_


def _convert(booster: Any, inputs: Names, graph: Graph) -> Answers:
    """Read the trees that ``predict`` uses: those up to the best iteration."""
    _refuse_early_stop(booster.params, graph)
    text = read_model_text(booster.model_to_string(num_iteration=-1), graph)
    _refuse_rounded_sigmoid(booster, text, graph)
    if text.features != len(inputs):
        message = (
            f"{graph.path}: the Booster has {text.features} features, and the frame has "
            f"{len(inputs)} columns. Give the frame that was passed to training."
        )
        raise SignatureError(message)
    limit = booster.best_iteration if booster.best_iteration > 0 else None
    columns = _encode_categories(text, inputs, graph)
    return _run_trees(text.until(limit), columns, graph)


def _refuse_early_stop(params: Mapping[str, Any], graph: Graph) -> None:
    if str(params.get("pred_early_stop", False)).lower() in {"true", "+", "1"}:
        raise graph.refuse(
            "pred_early_stop makes predictions stop at an approximate score",
            "train without pred_early_stop",
        )


def _refuse_rounded_sigmoid(booster: Any, text: ModelText, graph: Graph) -> None:
    """LightGBM writes ``sigmoid`` with six digits, and computes with all while it can train on."""
    written = text.objective[1].get("sigmoid")
    exact = booster.params.get("sigmoid")
    is_training = getattr(booster, "train_set", None) is not None
    if is_training and written and exact is not None and float(written) != float(exact):
        raise graph.refuse(
            f"its sigmoid={exact} has more digits than a LightGBM model text holds ({written})",
            "train without keep_training_booster=True, or with a sigmoid of at most six digits",
        )


def _encode_categories(text: ModelText, inputs: Names, graph: Graph) -> Names:
    """Turn pandas categoricals into LightGBM's codes; unseen levels are missing."""
    signature = graph.signature
    categorical = [
        name for name in inputs if name in signature and signature[name].categories is not None
    ]
    if len(categorical) != len(text.pandas_categories):
        message = (
            f"{graph.path}: training saw {len(text.pandas_categories)} pandas categorical "
            f"columns, and the frame has {len(categorical)}: {categorical}. Give the frame that "
            "was passed to training, with its dtypes."
        )
        raise SignatureError(message)
    levels = dict(zip(categorical, text.pandas_categories, strict=True))
    columns = [_encode(name, levels[name], graph) if name in levels else name for name in inputs]
    graph.require_numbers(tuple(columns))
    return tuple(columns)


def _encode(name: str, levels: list[Any], graph: Graph) -> str:
    keys = tuple(key_of(level, graph.types[name]) for level in levels)
    codes = np.arange(len(keys), dtype=np.float64)
    output = graph.fresh([name], "code")[0]
    step = s.Lookup((name,), (output,), "LightGBM", keys, codes, math.nan, math.nan)
    return graph.add(step)[0]


def _run_trees(text: ModelText, columns: Names, graph: Graph) -> Answers:
    # From Arrow and from sparse rows LightGBM reads tiny numbers as they are, and not as zero.
    is_arrow = graph.is_arrow and columns == graph.signature.names
    keeps_tiny = is_arrow or not graph.sparse.isdisjoint(columns)
    built = build_trees(text, keeps_tiny=keeps_tiny)
    if built.zero_is_missing:
        # A split of missing type Zero treats zero as missing; give it a column where it is.
        read = tuple(columns[index] for index in built.zero_is_missing)
        columns += graph.columnwise(
            read,
            "zero_null",
            lambda names, made: s.NullIf(names, made, -LIGHTGBM_ZERO, LIGHTGBM_ZERO),
        )
    outputs = graph.numbered("margin", text.outputs)
    if any(tree.is_linear for tree in text.trees):
        step = make_linear_forest(text, built.trees, columns, outputs, keeps_tiny=keeps_tiny)
        refuse_diverged(step, graph)
    else:
        start = np.zeros(text.outputs)
        step = s.Forest(columns, outputs, built.trees, start, Precision.FLOAT64)
    sums = graph.add(step)
    scores = sums
    if text.average:
        # A random forest's raw_score is the plain sum; only its predictions are averages.
        scores = graph.arithmetic(sums, Operator.DIVIDE, float(text.iterations))
    return Answers(_link(text, scores, graph), sums)


_IDENTITY = frozenset(
    {
        "fair",
        "huber",
        "lambdarank",
        "mape",
        "quantile",
        "rank_xendcg",
        "regression",
        "regression_l1",
    }
)


def _link(text: ModelText, margins: Names, graph: Graph) -> Names:  # noqa: PLR0911 - one a link
    """Apply the objective's ``ConvertOutput``. Source: src/objective/*.hpp of LightGBM."""
    name, options = text.objective
    match name:
        case _ if name in _IDENTITY and "sqrt" in options:
            return add_link(graph, margins, Function.SIGNED_SQUARE)
        case "binary" | "multiclassova":
            scaled = graph.arithmetic(margins, Operator.MULTIPLY, float(options["sigmoid"]))
            return add_link(graph, scaled, Function.SIGMOID)
        case "cross_entropy":
            return add_link(graph, margins, Function.SIGMOID)
        case "cross_entropy_lambda":
            return add_link(graph, margins, Function.LOG1P_EXP)
        case "multiclass":
            return graph.columnwise(margins, "softmax", s.Softmax)
        case "poisson" | "gamma" | "tweedie":
            return add_link(graph, margins, Function.EXP)
        case _ if name in _IDENTITY:
            return margins
        case _:
            raise _refuse_objective(f"objective {name!r}", graph)


def _refuse_objective(what: str, graph: Graph) -> Exception:
    return graph.refuse(
        f"it was trained with {what}, whose link from raw score to prediction is not known",
        "train with a built-in objective",
    )


PREDICTORS = {
    "Booster": convert_booster,
    "LGBMClassifier": convert_classifier,
    "LGBMRanker": convert_regressor,
    "LGBMRegressor": convert_regressor,
}
