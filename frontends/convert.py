"""Find the converter of a fitted object by its public path, and run it.

The converter of ``sklearn.linear_model.Ridge`` lives in ``frontends/sklearn/linear_model.py``,
under its name in ``PREDICTORS`` or ``TRANSFORMERS``. No list elsewhere is edited.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedModelError
from ..ir import Model, Signature
from ..ir import steps as s
from ..ir.steps import Operator
from .damage import File, reading
from .graph import Graph, Names
from .jumps import refuse_jumps_on_sums
from .model_file import ModelFile
from .skops import keep_whole
from .skops_model_file import SkopsFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ..ir import Outputs
    from .frames import Training

_FLAT = frozenset({"catboost", "lightgbm", "xgboost"})
_ISSUES = "https://github.com/foresql/foresql/issues"


def convert(estimator: object, training: Training, *, opaque: bool = False) -> Model:
    """Translate a fitted predictor.

    Parameters
    ----------
    estimator
        A fitted estimator, pipeline or Booster, or a model file.
    training
        The columns that it was trained on.
    opaque
        Keep the whole of a model of scikit-learn, where a part of it has no exact translation; one
        that comes from a file of skops is kept so anyway.

    Raises
    ------
    UnsupportedModelError
        If any part has no exact translation; the message names the part, the reason, and what
        to do.
    SignatureError
        If the frame does not fit the estimator.
    """
    is_kept = isinstance(estimator, SkopsFile)
    try:
        if isinstance(estimator, ModelFile) and not is_kept:
            with reading(File(estimator.where)):
                return _translate(estimator, training)
        return _translate(estimator, training)
    except UnsupportedModelError:
        if not (is_kept or opaque):
            raise
        return keep_whole(estimator.loaded if is_kept else estimator, training)


def _translate(estimator: object, training: Training) -> Model:
    graph = Graph(
        training.signature,
        training.none_columns,
        is_arrow=training.is_arrow,
        table=training.table,
    )
    outputs = predict(estimator, training.signature.names, graph)
    refuse_jumps_on_sums(graph, outputs)
    used = {name for step in graph.steps for name in step.inputs}
    columns = tuple(c for c in training.signature.columns if c.name in used)
    return Model(Signature(columns or training.signature.columns), tuple(graph.steps), outputs)


def predict(estimator: Any, inputs: Names, graph: Graph) -> Outputs:
    """Convert an estimator in the last place of a pipeline, or a model file."""
    if isinstance(estimator, ModelFile):
        with graph.inside(estimator.estimator.rpartition(".")[2]):
            return estimator.convert(inputs, graph)
    if isinstance(estimator, type):
        reason = f"{estimator.__name__} is a class, and not a fitted model"
        raise graph.refuse(reason, "make one of it, fit it, and give what was fitted")
    with graph.inside(type(estimator).__name__):
        converter = _converter(estimator, "PREDICTORS", graph)
        return converter(estimator, inputs, graph)


def transform(estimator: Any, inputs: Names, graph: Graph) -> Names:
    """Convert a transformer; ``"passthrough"`` and ``"drop"`` are scikit-learn's own words."""
    if estimator is None or estimator == "passthrough":
        return inputs
    if estimator == "drop" or not inputs:
        return ()
    with graph.inside(type(estimator).__name__):
        converter = _converter(estimator, "TRANSFORMERS", graph)
        return converter(estimator, inputs, graph)


def public_path(kind: type) -> tuple[str, str]:
    """Give the public module and the name of a class.

    scikit-learn defines classes in private modules (``sklearn.linear_model._ridge``) and exports
    them one level up; the libraries of boosted trees export everything at their top.
    """
    parts = kind.__module__.removeprefix(f"{__package__}.").split(".")
    public = [parts[0]]
    for part in parts[1:]:
        if part.startswith("_") or parts[0] in _FLAT:
            break
        public.append(part)
    return ".".join(public), kind.__name__


def _converter(estimator: object, table: str, graph: Graph) -> Callable[..., Any]:
    module, name = public_path(type(estimator))
    path = f"{__package__}.{module}"
    converters: dict[str, Callable[..., Any]] = {}
    if _exists(path):
        converters = getattr(import_module(path), table, {})
    if name not in converters:
        role = "predictor" if table == "PREDICTORS" else "transformer"
        raise graph.refuse(
            f"{module}.{name} has no exact translation as a {role} yet",
            _way_out(module),
        )
    return converters[name]


def _way_out(module: str) -> str:
    file = f"frontends/{module.replace('.', '/')}.py"
    add = f"add it: one function in {file}; ask at {_ISSUES}"
    if module.partition(".")[0] != "sklearn":
        return f"use a covered one (docs/coverage.md), or {add}"
    return (
        "keep the model whole with opaque=True (--opaque): scoring then needs the same version of "
        f"scikit-learn, and is slower; use a covered one (docs/coverage.md); or {add}"
    )


def _exists(module: str) -> bool:
    """Whether a frontend file is there; its parent folders may be missing too."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require_fitted(estimator: Any, attribute: str, graph: Graph) -> Any:
    """Give a fitted attribute, or refuse an estimator that was never fitted."""
    value = getattr(estimator, attribute, None)
    if value is None:
        raise graph.refuse("it is not fitted", "call fit before you publish or register it")
    return value


def add_constants(graph: Graph, inputs: Names, values: ArrayLike) -> Names:
    """Append columns of constants: nothing times a flag, which is never missing, plus each."""
    constants = np.asarray(values, np.float64)
    (flag,) = graph.columnwise(inputs[:1], "is_missing", s.IsMissing)
    zeros = graph.arithmetic((flag,) * len(constants), Operator.MULTIPLY, 0.0)
    return graph.arithmetic(zeros, Operator.ADD, constants)


def add_link(graph: Graph, inputs: Names, function: s.Function) -> Names:
    """Append an elementwise function."""
    return graph.columnwise(
        inputs, function.value, lambda read, written: s.Elementwise(read, written, function)
    )
