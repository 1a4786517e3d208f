"""Keep a scikit-learn model whole, as ``skops.io`` writes it, where it has no translation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedModelError
from ..ir import ColumnType, Model, Outputs
from ..ir import steps as s
from ..ir.skops_file import TRUSTED, check_skops
from .graph import Graph
from .values import labels_of

if TYPE_CHECKING:
    from ..ir import Column, Scalar
    from .frames import Training

_SOME_ROWS = 10


def keep_whole(estimator: Any, training: Training) -> Model:
    """Make a model of one step, which asks the estimator itself.

    Raises
    ------
    UnsupportedModelError
        If it holds a type that may not be built from a file, or no row can be asked.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    file, types = _dump(estimator)
    check_skops(file, types)
    labels = _labels(estimator)
    methods = _methods(estimator, labels)
    widths = _widths(estimator, methods, training)
    named = getattr(estimator, "feature_names_in_", None) is not None
    graph = Graph(training.signature, training.none_columns)
    inputs = training.signature.names
    outputs = graph.numbered("kept", sum(widths))
    step = s.Skops(
        inputs,
        outputs,
        tuple(_cell(column, training, named=named) for column in training.signature.columns),
        named,
        np.frombuffer(file, np.uint8),
        types,
        _release(),
        methods,
        labels or (),
    )
    answers = dict(zip(methods, _cut(outputs, widths), strict=True))
    return Model(
        training.signature,
        (step,),
        Outputs(
            answers["predict"],
            labels,
            answers.get("predict_proba", ()),
            answers.get("decision_function", ()),
        ),
    )


def load_skops(content: bytes, where: str) -> Any:
    """Load an estimator from the bytes of a file, if all that it holds may be trusted.

    Raises
    ------
    UnsupportedModelError
        If it holds a type that may not be built from a file, or skops cannot load it.
    """
    try:
        import skops.io
    except ImportError as error:
        raise _refusal(f"reading {where} needs skops", "pip install 'foresql[skops]'") from error
    try:
        check_skops(content, TRUSTED)  # before skops parses it
        types = tuple(skops.io.get_untrusted_types(data=content))
        loaded = skops.io.loads(content, trusted=list(types))
    except UnsupportedModelError as error:
        raise UnsupportedModelError(where, error.reason, error.way_out) from error
    except Exception as error:
        raise UnsupportedModelError(
            where, f"skops cannot load it: {error}", "write it again with skops.io.dump"
        ) from error
    if not hasattr(loaded, "predict"):
        raise UnsupportedModelError(
            where,
            f"it holds a {type(loaded).__name__}, which does not predict",
            "write a fitted estimator or pipeline with skops.io.dump",
        )
    return loaded


def _dump(estimator: Any) -> tuple[bytes, tuple[str, ...]]:
    """Give the file, and the types in it that skops does not trust by itself."""
    try:
        import skops.io
    except ImportError as error:
        raise _refusal("keeping it whole needs skops", "pip install 'foresql[skops]'") from error
    try:
        file = skops.io.dumps(estimator)
        return file, tuple(skops.io.get_untrusted_types(data=file))
    except Exception as error:
        raise _refusal(
            f"skops cannot write it: {error}", "use estimators of scikit-learn alone"
        ) from error


def _release() -> str:
    from sklearn import __version__ as release

    return release


def _labels(estimator: Any) -> tuple[Scalar, ...] | None:
    from sklearn.base import is_classifier

    if not is_classifier(estimator):
        return None
    classes = estimator.classes_
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise _refusal("it predicts several labels for a row", "publish one classifier a label")
    return labels_of(classes)


def _methods(estimator: Any, labels: object) -> tuple[str, ...]:
    if not hasattr(estimator, "predict"):
        raise _refusal("it has no predict", "publish a predictor")
    others = ("predict_proba",) if labels else ()
    found = [name for name in (*others, "decision_function") if hasattr(estimator, name)]
    return ("predict", *found)


def _widths(estimator: Any, methods: tuple[str, ...], training: Training) -> list[int]:
    """Ask for some training rows, and for one alone, how many columns each method gives."""
    frame = training.rebuild(training.table.slice(0, _SOME_ROWS))
    alone = training.rebuild(training.table.slice(0, 1))
    try:
        answers = [np.asarray(getattr(estimator, name)(frame)) for name in methods]
        for name in methods:
            getattr(estimator, name)(alone)
    except (ValueError, TypeError) as error:
        raise _refusal(
            f"it refuses rows of the training frame: {error}",
            "pass the frame that was given to fit as like=",
        ) from error
    rows = len(frame)
    if not rows or any(len(answer) != rows for answer in answers):
        raise _refusal("it does not give an answer a row", "pass the frame given to fit as like=")
    return [answer.size // rows for answer in answers]


def _cut(outputs: tuple[str, ...], widths: list[int]) -> list[tuple[str, ...]]:
    ends = np.cumsum(widths).tolist()
    return [outputs[end - width : end] for end, width in zip(ends, widths, strict=True)]


def _cell(column: Column, training: Training, *, named: bool) -> s.Cell:
    match column.type:
        case ColumnType.DOUBLE:
            return s.Cell.NUMBER
        case ColumnType.BIGINT:
            return s.Cell.INTEGER
        case ColumnType.BOOLEAN:
            return s.Cell.TRUTH
        case ColumnType.VARCHAR if named and column.name in training.none_columns:
            return s.Cell.TEXT_OR_NONE
        case ColumnType.VARCHAR if named:
            return s.Cell.TEXT
        case _:
            raise _refusal(
                f"column {column.name!r} is {column.type}",
                "give text as columns of a DataFrame, and times as numbers",
            )


def _refusal(reason: str, way_out: str) -> UnsupportedModelError:
    return UnsupportedModelError("skops", reason, way_out)
