"""The functions that C computes to the same bits, in the order of functions.h, and their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.steps import Function
from .. import float32, fmath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FUNCTIONS = (
    *(Function.SIGMOID, Function.EXP, Function.EXPM1, Function.LOG, Function.SIGNED_SQUARE),
    *(Function.LOG1P_EXP, Function.ABSOLUTE, Function.SQUARE, Function.SQRT, Function.NEGATIVE),
    *(Function.RECIPROCAL, Function.SIGN, Function.FLOOR, Function.CEIL, Function.RINT),
    *(Function.TRUNC, Function.SKLEARN_CONFIDENCE, Function.FLOAT32, Function.FLOAT32_EXP),
    *(Function.FLOAT32_SIGMOID, Function.FMATH_EXP),
)


def function_table(function: Function) -> list[NDArray[np.generic]]:
    """Give the table that a function needs, if it needs one."""
    if function in {Function.FLOAT32_EXP, Function.FLOAT32_SIGMOID}:
        return [float32.TABLE]
    return [fmath.TABLE] if function is Function.FMATH_EXP else []
