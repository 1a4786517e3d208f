"""The SQL functions that a model has, their types, and how each answers a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..errors import ScoringError
from ..kernels.contributions import Explainer, explanation_problem
from ..kernels.intervals import conformal_widths
from .answers import (
    EXPLAIN,
    INTERVAL,
    NO_INTERVAL,
    NO_PROBABILITIES,
    PREDICT,
    PROBA,
    labels_of,
    margin_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..ir import Model
    from ..kernels import Scores
    from .recent import OnceScorer

_BINARY = 2


@dataclass(frozen=True, slots=True)
class Function:
    """One SQL function: what it returns, and its body over a batch of rows.

    ``returns`` is an Arrow type. ``answer`` takes the rows, and the confidence level of each where
    ``takes_level``.
    """

    kind: str
    returns: pa.DataType
    answer: Callable[..., pa.Array]
    takes_level: bool = False


def functions_of(once: OnceScorer) -> tuple[list[Function], dict[str, str]]:
    """List the functions that a model has, and why it lacks the others."""
    model = once.scorer.model
    functions = [
        Function(
            PREDICT, _prediction_type(model), lambda rows: predictions(model, once.score(rows))
        )
    ]
    omitted: dict[str, str] = {}
    problem = probability_problem(model)
    if problem is None:
        functions.append(
            Function(PROBA, _proba_type(model), lambda rows: probabilities(model, once.score(rows)))
        )
    else:
        omitted[PROBA] = problem
    problem = explanation_problem(model) or _label_problem(model)
    if problem is None:
        explainer = Explainer(model)
        functions.append(
            Function(EXPLAIN, _explain_type(model), lambda rows: _explain(once, explainer, rows))
        )
    else:
        omitted[EXPLAIN] = problem
    if model.residuals:
        functions.append(
            Function(
                INTERVAL,
                pa.struct([("low", pa.float64()), ("high", pa.float64())]),
                lambda rows, level: _interval(once, rows, level),
                takes_level=True,
            )
        )
    else:
        omitted[INTERVAL] = NO_INTERVAL
    return functions, omitted


def _prediction_type(model: Model) -> pa.DataType:
    outputs = model.outputs
    if outputs.classes is not None:
        return pa.array(outputs.classes).type
    if len(outputs.prediction) > 1:
        return pa.list_(pa.float64(), len(outputs.prediction))
    return pa.float64()


def predictions(model: Model, scores: Scores) -> pa.Array:
    """Give what ``predict`` gives: values, vectors or labels."""
    prediction, classes = scores.prediction, model.outputs.classes
    if classes is not None:
        return pa.array(classes).take(pa.array(prediction[:, 0].astype(np.int64)))
    if prediction.shape[1] > 1:
        flat = pa.array(np.ascontiguousarray(prediction).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, prediction.shape[1])
    return pa.array(np.ascontiguousarray(prediction[:, 0]))


def probability_problem(model: Model) -> str | None:
    """Say why a model has no probabilities, or None where it has."""
    if not model.outputs.probabilities:
        return NO_PROBABILITIES
    return _label_problem(model)


def _label_problem(model: Model) -> str | None:
    """Several classes become the fields of a struct, so their names must differ in SQL."""
    labels = labels_of(model)
    if len(labels) != len({label.casefold() for label in labels}):
        return "two class labels differ only by case, and SQL takes them for one field"
    return None


def _proba_type(model: Model) -> pa.DataType:
    labels = labels_of(model)
    if len(labels) == _BINARY:
        return pa.float64()
    return pa.struct([(label, pa.float64()) for label in labels])


def probabilities(model: Model, scores: Scores) -> pa.Array:
    """Give the positive class's probability, or a struct from class to probability."""
    if scores.probabilities.shape[1] == _BINARY:
        return pa.array(np.ascontiguousarray(scores.probabilities[:, 1]))
    return _struct(labels_of(model), scores.probabilities.T)


def _explain_type(model: Model) -> pa.DataType:
    columns = pa.struct([(name, pa.float64()) for name in model.signature.names])
    one = pa.struct([("base_value", pa.float64()), ("contributions", columns)])
    names = margin_names(model)
    return one if len(names) == 1 else pa.struct([(name, one) for name in names])


def _explain(once: OnceScorer, explainer: Explainer, rows: pa.StructArray) -> pa.Array:
    scorer = once.scorer
    names = scorer.model.signature.names
    found = explainer.explain(scorer.run(scorer.decoder.decode(rows)))
    parts = [
        pa.StructArray.from_arrays(
            [pa.array(np.full(len(rows), base)), _struct(names, contributions)],
            ["base_value", "contributions"],
        )
        for base, contributions in zip(found.base, found.contributions, strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    return pa.StructArray.from_arrays(parts, margin_names(scorer.model))


def _interval(once: OnceScorer, rows: pa.StructArray, level: pa.Array) -> pa.Array:
    levels = level.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if not ((levels > 0) & (levels < 1)).all():
        message = "The confidence level of an interval lies between 0 and 1, for example 0.9."
        raise ScoringError(message)
    prediction = once.score(rows).prediction[:, 0]
    width = conformal_widths(once.scorer.model.residuals, levels)
    return _struct(["low", "high"], np.stack([prediction - width, prediction + width]))


def _struct(names: list[str] | tuple[str, ...], columns: NDArray[np.float64]) -> pa.StructArray:
    arrays = [pa.array(np.ascontiguousarray(column)) for column in columns]
    return pa.StructArray.from_arrays(arrays, list(names))
