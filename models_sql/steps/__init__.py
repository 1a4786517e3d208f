"""Every step of the IR as SQL, or refused in words; one file a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ...ir import steps as s
from ..forests import emit_forest, emit_linear_forest
from .arithmetic import emit_arithmetic, emit_clip, emit_null_if, emit_pairs, emit_sum
from .choices import emit_argmax, emit_exceeds
from .functions import emit_elementwise
from .linear import emit_dot, emit_float32_dot
from .lines import emit_interpolate
from .lookups import emit_lookup, emit_lookup_row, emit_one_hot
from .missing import emit_coalesce, emit_impute, emit_is_missing
from .refusals import emit_require, emit_require_range
from .shares import emit_normalize, emit_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..builder import Builder
    from ..forests import Strategy

NO_SQL: Mapping[type[s.Step], str] = {
    s.KernelSum: "it compares a row with each of its stored points",
    s.Neighbours: "which of equally near rows count follows from a walk through a k-d tree",
    s.Couple: "it is computed by iteration",
    s.WeightedMedian: "it sorts the inputs of each row",
    s.BSplines: "its recursion is not written as SQL",
    s.LogSoftmax: "it needs log1p, which SQL lacks",
    s.Onnx: "it is an ONNX graph, kept whole",
    s.Skops: "it is an estimator of scikit-learn, kept whole",
}
"""Steps without SQL, and why."""


def emit_step(  # noqa: C901, PLR0912, PLR0915 - one a step
    step: s.Step, builder: Builder, strategy: Strategy
) -> None:
    """Write a step.

    Raises
    ------
    UnsupportedModelError
        If the target's SQL cannot say it exactly.
    """
    builder.begin(step)
    match step:
        case s.Require():
            emit_require(step, builder)
        case s.RequireRange():
            emit_require_range(step, builder)
        case s.NullIf():
            emit_null_if(step, builder)
        case s.Impute():
            emit_impute(step, builder)
        case s.IsMissing():
            emit_is_missing(step, builder)
        case s.Coalesce():
            emit_coalesce(step, builder)
        case s.Arithmetic():
            emit_arithmetic(step, builder)
        case s.Clip():
            emit_clip(step, builder)
        case s.Lookup():
            emit_lookup(step, builder)
        case s.OneHot():
            emit_one_hot(step, builder)
        case s.LookupRow():
            emit_lookup_row(step, builder)
        case s.Dot():
            emit_dot(step, builder)
        case s.Float32Dot():
            emit_float32_dot(step, builder)
        case s.Product():
            emit_pairs(step, builder)
        case s.Sum():
            emit_sum(step, builder)
        case s.Normalize():
            emit_normalize(step, builder)
        case s.Forest():
            emit_forest(step, builder, strategy)
        case s.LinearForest():
            emit_linear_forest(step, builder)
        case s.Elementwise():
            emit_elementwise(step, builder)
        case s.Interpolate():
            emit_interpolate(step, builder)
        case s.Softmax():
            emit_softmax(step, builder)
        case s.Argmax():
            emit_argmax(step, builder)
        case s.Exceeds():
            emit_exceeds(step, builder)
        case (
            s.KernelSum()
            | s.Neighbours()
            | s.Couple()
            | s.WeightedMedian()
            | s.BSplines()
            | s.LogSoftmax()
            | s.Onnx()
            | s.Skops()
        ):
            builder.refuse(NO_SQL[type(step)])
        case _:
            assert_never(step)
