"""Every step of the IR as SQL, or refused in words; one file a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ...ir import steps as s
from ..forests import check_forest, emit_forest, emit_linear_forest
from .arithmetic import emit_arithmetic, emit_clip, emit_null_if, emit_pairs, emit_sum
from .choices import emit_argmax, emit_exceeds
from .functions import emit_elementwise
from .kernel_sums import emit_kernel_sum
from .linear import emit_dot, emit_float32_dot
from .lines import emit_interpolate
from .lookups import emit_lookup, emit_lookup_row, emit_one_hot
from .medians import emit_weighted_median
from .missing import emit_coalesce, emit_impute, emit_is_missing
from .neighbours import emit_neighbours
from .refusals import emit_require, emit_require_range
from .shares import emit_log_softmax, emit_normalize, emit_softmax
from .splines import emit_splines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..builder import Builder
    from ..forests import Strategy

NO_SQL: Mapping[type[s.Step], str] = {
    s.Couple: "it iterates until an error is small, where the last digits of exponentials decide",
    s.Onnx: "it is an ONNX graph, kept whole",
    s.Skops: "it is an estimator of scikit-learn, kept whole",
}
"""Steps without SQL, and why."""


def check_step(step: s.Step, builder: Builder, strategy: Strategy | None) -> None:
    """Refuse what is known to have no SQL before anything is written.

    Raises
    ------
    UnsupportedModelError
        If the step has none, or the forest is none for the strategy.
    """
    builder.begin(step)
    if type(step) in NO_SQL:
        builder.refuse(NO_SQL[type(step)])
    if isinstance(step, s.Forest):
        check_forest(step, builder, strategy)


def emit_step(  # noqa: C901, PLR0912, PLR0915 - one a step
    step: s.Step, builder: Builder, strategy: Strategy | None
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
        case s.KernelSum():
            emit_kernel_sum(step, builder)
        case s.Neighbours():
            emit_neighbours(step, builder)
        case s.WeightedMedian():
            emit_weighted_median(step, builder)
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
        case s.LogSoftmax():
            emit_log_softmax(step, builder)
        case s.BSplines():
            emit_splines(step, builder)
        case s.Argmax():
            emit_argmax(step, builder)
        case s.Exceeds():
            emit_exceeds(step, builder)
        case s.Couple() | s.Onnx() | s.Skops():
            builder.refuse(NO_SQL[type(step)])
        case _:
            assert_never(step)
