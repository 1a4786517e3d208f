"""Sines and their kin: the engine's own, where it is within a few ulp for every argument."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.steps import Function
from ..expressions import both, case, fill, ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..builder import Builder
    from ..columns import Number
    from .exponentials import Writer


def _native(function: Function, least: str, low: float, most: str, high: float) -> Writer:
    """Write a call for arguments between two bounds: some engines raise beyond them."""

    def write(x: Number, builder: Builder) -> Number:
        column = ref(x.name)
        call = builder.function(function, column)
        tests = [
            fill("{} " + sign + " {}", column, builder.literal(end), is_atom=False)
            for sign, end in ((least, low), (most, high))
            if builder.target.literal(end) is not None
        ]
        written = case([(both(tests), call)], None) if tests else call
        return builder.define(written, null=True, nan=False, approximate=True)

    return write


_FINITE = (">", -math.inf, "<", math.inf)
_TO_ONE = (">=", -1.0, "<=", 1.0)

TRIGONOMETRY: Mapping[Function, Writer] = {
    Function.NUMPY_SIN: _native(Function.NUMPY_SIN, *_FINITE),
    Function.NUMPY_COS: _native(Function.NUMPY_COS, *_FINITE),
    Function.NUMPY_TAN: _native(Function.NUMPY_TAN, *_FINITE),
    Function.NUMPY_ARCSIN: _native(Function.NUMPY_ARCSIN, *_TO_ONE),
    Function.NUMPY_ARCCOS: _native(Function.NUMPY_ARCCOS, *_TO_ONE),
    Function.NUMPY_ARCTAN: _native(Function.NUMPY_ARCTAN, ">=", -math.inf, "<=", math.inf),
}
"""Functions that a target may have."""
