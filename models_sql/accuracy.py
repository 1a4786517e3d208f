"""How near an answer is that goes through functions which engines round in their own ways.

Measured by ``tests/models_sql/test_functions.py`` on a million arguments a function, among them
denormals, the ends of domains and what lies next to them: ``exp``, ``ln`` and ``sqrt`` are within
0.75 ulp of the correct answer in DuckDB, SQLite, PostgreSQL, ClickHouse and DataFusion. So is
numpy, to which the kernel goes. What is made of them here was within 4 ulp of the kernel. The
bounds are twice that.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ..ir import steps as s
from ..ir.steps import Function, Operator, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..ir import Model

_LINKS = (
    *(Function.SIGMOID, Function.EXP, Function.NUMPY_EXP),
    *(Function.LOG, Function.NUMPY_LOG),
)
_OTHERS = (
    *(Function.EXPM1, Function.NUMPY_EXPM1, Function.NUMPY_LOG1P, Function.LOG1P_EXP),
    *(Function.NUMPY_EXP2, Function.NUMPY_POWER_OF_TWO, Function.NUMPY_LOG2, Function.NUMPY_LOG10),
    *(Function.NUMPY_CBRT, Function.NUMPY_SIN, Function.NUMPY_COS, Function.NUMPY_TAN),
    *(Function.NUMPY_ARCSIN, Function.NUMPY_ARCCOS, Function.NUMPY_ARCTAN, Function.NUMPY_SINH),
    *(Function.NUMPY_COSH, Function.NUMPY_TANH, Function.NUMPY_ARCSINH, Function.NUMPY_ARCCOSH),
    *(Function.NUMPY_ARCTANH, Function.SCIPY_NDTRI, Function.FMATH_EXP),
)
LINK, OTHER = 2, 8
ULPS: Mapping[Function, int] = MappingProxyType(
    {**dict.fromkeys(_LINKS, LINK), **dict.fromkeys(_OTHERS, OTHER)}
)
"""How far a function's answer may be from the kernel's, in last digits; all others are exact."""

_SAME = (s.Clip, s.Impute, s.NullIf, s.Coalesce, s.Normalize)
"""Steps that leave a number as near as it was, or as near to a share of 1."""


def carried(model: Model) -> frozenset[str]:
    """Name the columns that are farther off than a link's bound.

    They are made of an approximate column by a step that may carry its error on, such as a sum, or
    by a function with a wider bound.
    """
    near: set[str] = set()
    far: set[str] = set()
    for step in model.steps:
        inputs = set(step.inputs)
        if _is_decided(step):
            continue
        if not inputs.isdisjoint(far):
            far.update(s.outputs_of(step))
        elif not inputs.isdisjoint(near):
            (near if _keeps(step) else far).update(s.outputs_of(step))
        elif _is_link(step):
            near.update(s.outputs_of(step))
        elif _is_other(step):
            far.update(s.outputs_of(step))
    return frozenset(far)


def _is_decided(step: s.Step) -> bool:
    """Whether a step gives whole numbers, which have no last digits."""
    return isinstance(step, s.Argmax | s.Exceeds | s.IsMissing)


def _keeps(step: s.Step) -> bool:
    if isinstance(step, s.Arithmetic):
        # One less a probability, of which the bound is relative to 1.
        is_opposite = step.operator is Operator.SUBTRACT_FROM and (step.operands == 1).all()
        return bool(is_opposite)
    return isinstance(step, _SAME)


def _is_link(step: s.Step) -> bool:
    match step:
        case s.Elementwise():
            return ULPS.get(step.function) == LINK
        case s.Arithmetic():
            return step.operator is Operator.POWER
        case s.Softmax():
            return step.precision is Precision.FLOAT64
        case _:
            return False


def _is_other(step: s.Step) -> bool:
    if isinstance(step, s.Elementwise):
        return ULPS.get(step.function) == OTHER
    return isinstance(step, s.LogSoftmax | s.KernelSum | s.Couple)
