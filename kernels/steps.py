"""Make each kind of step ready to run: what depends on the step alone is computed here, once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias, assert_never

from ..ir import steps as s
from .plans import NumpyPlans

if TYPE_CHECKING:
    from collections.abc import Callable

    from .columns import Values
    from .plans import Plans

    Runner: TypeAlias = Callable[[Values], None]


def prepare_step(step: s.Step, plans: Plans | None = None) -> Runner:  # noqa: C901, PLR0911, PLR0912 - one a step
    """Give a function that runs the step, reading from and writing to a batch's columns.

    Forests run by ``plans``, those in numpy by default. A kernel is imported when a model needs it:
    a process that scores one model starts sooner, and what is shipped with it is small.
    """
    match step:
        case s.Require() | s.RequireRange():
            from .guards import require, require_range

            return (
                partial(require, step)
                if isinstance(step, s.Require)
                else partial(require_range, step)
            )
        case s.Impute() | s.IsMissing():
            from .missing import impute, is_missing

            return (
                partial(impute, step) if isinstance(step, s.Impute) else partial(is_missing, step)
            )
        case s.Lookup() | s.OneHot():
            from .lookup import LookupKernel, OneHotKernel

            return (LookupKernel(step) if isinstance(step, s.Lookup) else OneHotKernel(step)).run
        case s.LookupRow():
            from .lookup_row import LookupRowKernel

            return LookupRowKernel(step).run
        case s.Dot() | s.Float32Dot():
            from .linear import Float32LinearKernel, LinearKernel

            return (
                LinearKernel(step) if isinstance(step, s.Dot) else Float32LinearKernel(step)
            ).run
        case s.KernelSum():
            from .kernel_sum import KernelSumKernel

            return KernelSumKernel(step).run
        case s.Neighbours():
            from .neighbours import NeighboursKernel

            return NeighboursKernel(step).run
        case s.Couple():
            from .coupling import couple

            return partial(couple, step)
        case (
            s.Product()
            | s.Coalesce()
            | s.Sum()
            | s.Normalize()
            | s.Softmax()
            | s.LogSoftmax()
            | s.Argmax()
        ):
            from .across import prepare_across

            return prepare_across(step)
        case s.WeightedMedian():
            from .median import WeightedMedianKernel

            return WeightedMedianKernel(step).run
        case s.Forest():
            from .forest import ForestKernel

            return ForestKernel(step, (plans or NumpyPlans()).forest(step)).run
        case s.LinearForest():
            from .linear_forest import LinearForestKernel

            return LinearForestKernel(step, (plans or NumpyPlans()).linear_forest(step)).run
        case s.BSplines():
            from .splines import run_splines

            return partial(run_splines, step)
        case s.Onnx():
            from .onnx import OnnxKernel

            return OnnxKernel(step).run
        case s.Skops():
            from .skops import SkopsKernel

            return SkopsKernel(step).run
        case (
            s.NullIf() | s.Arithmetic() | s.Clip() | s.Elementwise() | s.Exceeds() | s.Interpolate()
        ):
            from .elementwise import column_by_column

            return partial(column_by_column, step)
        case _:
            assert_never(step)
