"""How far SQL's answers may be from the library's: engines round their functions in their own ways.

The error of a function is a few last digits of its value, and the steps after it carry that on as
they do the error of a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s
from ..ir.steps import Operator, Precision
from ..models_sql import LINK_ULPS, OTHER_ULPS, ULPS
from .rounding import carry_errors
from .sql_points import neighbour_errors, sum_errors

if TYPE_CHECKING:
    from ..kernels.columns import Values
    from .rounding import Errors, Numbers

_EPSILON = float(np.finfo(np.float64).eps)
_LEAST = 2.0**-1022


def carry_sql_errors(step: s.Step, values: Values, errors: Errors) -> None:
    """Add the errors of a step's outputs: those that it carries on, and those of its functions."""
    carry_errors(step, values, errors)
    _add_own(step, values, errors)


def carry_function_errors(step: s.Step, values: Values, errors: Errors) -> None:
    """Do the same for SQL against the kernel, which adds in the same order: sums err in nothing.

    Those over stored points do, as :mod:`.sql_points` says.
    """
    if isinstance(step, s.KernelSum):
        errors.update(sum_errors(step, values))
    elif isinstance(step, s.Neighbours):
        errors.update(neighbour_errors(step, values))
    elif not errors.keys().isdisjoint(step.inputs):
        carry_errors(step, values, errors)
    _add_own(step, values, errors)


def _add_own(step: s.Step, values: Values, errors: Errors) -> None:
    match step:
        case s.Elementwise() if step.function in ULPS:
            for name in step.outputs:
                _add(name, ULPS[step.function] * _digit(values, name), errors)
        case s.Arithmetic() if step.operator is Operator.POWER:
            for name in step.outputs:
                _add(name, LINK_ULPS * _digit(values, name), errors)
        case s.Softmax() if step.precision is Precision.FLOAT64:
            # Of an exponential, of their sum, and of the quotient.
            for name in step.outputs:
                _add(name, 3 * LINK_ULPS * _digit(values, name), errors)
        case s.LogSoftmax():
            names = (*step.inputs, *step.outputs)
            sizes = np.nan_to_num([_digit(values, name) for name in names])
            for name in step.outputs:
                _add(name, OTHER_ULPS * (sizes.max(axis=0) + _EPSILON), errors)
        case _:
            return


def _add(name: str, own: Numbers, errors: Errors) -> None:
    errors[name] = errors[name] + own if name in errors else own


def _digit(values: Values, name: str) -> Numbers:
    """One last digit of a column's values, and for the smallest that of the smallest normal one."""
    size = np.maximum(np.abs(values.numbers(name)), _LEAST)
    return np.nan_to_num(np.spacing(size), nan=0.0, posinf=0.0)
