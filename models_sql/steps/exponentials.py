"""Functions made of exponentials, logarithms and arithmetic, which all engines have.

Engines' own hyperbolic functions are now and then far off near 0, and few have ``log1p``. Sources:
W. Kahan's formulas for ``expm1`` and ``log1p`` (N. J. Higham, Accuracy and Stability of Numerical
Algorithms, 2002, section 1.14), and the identities of fdlibm for what follows from them. Each is
within 8 ulp where ``exp`` and ``ln`` are within 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.steps import Function
from ..expressions import case, fill, ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression

    Writer = Callable[["Number", "Builder"], "Number"]

OVERFLOWS = 709.782712893384
"""The largest number whose exponential is finite."""
FMATH_LEAST = -708.3964185322641
"""Where fmath's exponential is the smallest normal number; below it is that number still, or 0."""
_PARTS = 2048.0
_PER_PART = _PARTS / math.log(2.0)
_TO_INTEGER = float(3 << 51)
"""Added and taken off again, it rounds to a whole number."""
_VANISHES = -745.2
"""Below here an exponential is 0."""
_IS_POWER = 40.0
"""Above here an exponential less one is the exponential, and below the negative it is -1."""
_LARGE = 2.0**54
"""From here on one more is no more."""
_LEVEL = 22.0
"""Above here a hyperbolic tangent is 1."""
_SMALL = 2.0**-30
"""Below here a square counts for nothing beside 1."""
_LOG_2 = math.log(2.0)
_LOG_2_REST = 2.3190468138462996e-17
"""The logarithm of 2, less the float64 nearest to it."""
_SPLIT = 2.0**27 + 1
"""Times this, a number falls into two halves of its digits (Dekker)."""


def exponential(x: Expression, builder: Builder) -> Expression:
    """Write the exponential of a clean column that is no larger than 709.

    Some engines raise where it vanishes.
    """
    vanishes = fill("{} < {}", x, builder.literal(_VANISHES), is_atom=False)
    power = builder.function(Function.EXP, x)
    return case([(vanishes, builder.literal(0.0))], power)


def write_exp(x: Number, builder: Builder) -> Number:
    """Write the exponential; where no column can hold infinity, the engine's own error is left."""
    column = ref(x.name)
    power = exponential(column, builder)
    if builder.target.infinity is not None:
        above = _is(column, ">", OVERFLOWS, builder)
        power = case([(above, builder.literal(math.inf))], power)
    return _near(power, x, builder)


def _fmath_exp(x: Number, builder: Builder) -> Number:
    """Write CatBoost's exponential: 0 for less than the smallest normal number."""
    column = ref(x.name)
    low, high = FMATH_LEAST, OVERFLOWS
    inside = builder.define(_within(column, low, high, builder), null=x.null, nan=False)
    branches = [(_is(column, "<=", low, builder), builder.literal(0.0))]
    if builder.target.infinity is not None:
        # Up to this number the exponential is finite, and CatBoost's is not.
        branches.append((_is(column, ">=", high, builder), builder.literal(math.inf)))
    return _near(case(branches, fmath_power(inside, builder)), x, builder)


def fmath_power(x: Number, builder: Builder) -> Expression:
    """Write fmath's exponential of a number for which it is normal, operation by operation.

    It is off by as many last digits as its argument is large, so a better exponential differs. Only
    its table, of 2 to the power of a 2048th, is an approximation here. Source: ``kernels.fmath``.
    """
    number, column = builder.literal, ref(x.name)
    turns = fill(
        "({} * {} + {}) - {}",
        *(column, number(_PER_PART), number(_TO_INTEGER), number(_TO_INTEGER)),
        is_atom=False,
    )
    k = ref(builder.define(turns, null=x.null, nan=False).name)
    rest = fill("{} * {} - {}", k, number(1.0 / _PER_PART), column, is_atom=False)
    r = ref(builder.define(rest, null=x.null, nan=False).name)
    factor = fill(
        "({1} - {0}) * ({0} * {0}) * {2} - {0} + {3}",
        *(r, number(3.0000000027955394), number(0.16666666685227835064), number(1.0)),
        is_atom=False,
    )
    part = builder.define(fill("{} / {}", k, number(_PARTS), is_atom=False), null=x.null, nan=False)
    return fill("{} * {}", factor, ref(_exp2(part, builder).name), is_atom=False)


def write_log(x: Number, builder: Builder) -> Number:
    """Write the logarithm: missing below 0, and infinite at 0."""
    return _logarithm(x, builder, None)


def _log_to(base: float) -> Writer:
    """Write a logarithm to a base as a quotient of natural ones."""

    def write(x: Number, builder: Builder) -> Number:
        return _logarithm(x, builder, builder.literal(math.log(base)))

    return write


def _logarithm(x: Number, builder: Builder, divisor: Expression | None) -> Number:
    column = ref(x.name)
    logarithm = builder.function(Function.LOG, column)
    if divisor is not None:
        logarithm = fill("{} / {}", logarithm, divisor, is_atom=False)
    at = (_is(column, "=", 0.0, builder), builder.literal(-math.inf))
    written = case([(_is(column, ">", 0.0, builder), logarithm), at], None)
    return builder.define(written, null=True, nan=False, approximate=True)


def write_expm1(x: Number, builder: Builder) -> Number:
    """Write the exponential less one: ``(u - 1) * (x / ln(u))`` where ``u`` is the exponential."""
    column = ref(x.name)
    power = write_exp(x, builder)
    u = ref(power.name)
    logarithm = builder.function(Function.LOG, u)
    exact = fill(
        "({0} - {2}) * ({1} / {3})", u, column, builder.literal(1.0), logarithm, is_atom=False
    )
    branches = [
        (_is(column, "<", -_IS_POWER, builder), builder.literal(-1.0)),
        (_is(column, ">", _IS_POWER, builder), u),
        (_is(u, "=", 1.0, builder), column),
    ]
    return _near(case(branches, exact), x, builder)


def write_log1p(x: Number, builder: Builder) -> Number:
    """Write the logarithm of one more: ``ln(w) * (x / (w - 1))`` where ``w`` is one more."""
    column, one = ref(x.name), builder.literal(1.0)
    more = builder.define(fill("{} + {}", one, column, is_atom=False), null=x.null, nan=False)
    w = ref(more.name)
    logarithm = builder.function(Function.LOG, w)
    exact = fill("{1} * ({0} / ({2} - {3}))", column, logarithm, w, one, is_atom=False)
    branches = [
        (_is(column, "=", -1.0, builder), builder.literal(-math.inf)),
        (_is(column, "<", -1.0, builder), builder.literal(math.nan)),
        (_is(w, "=", 1.0, builder), column),
        (_is(column, ">", _LARGE, builder), logarithm),
    ]
    return builder.define(case(branches, exact), null=True, nan=False, approximate=True)


def _softplus(x: Number, builder: Builder) -> Number:
    """Write the logarithm of one more than the exponential."""
    return write_log1p(write_exp(x, builder), builder)


def _exp2(x: Number, builder: Builder) -> Number:
    """Write 2 to the power of a number by the exponential of its product with ln 2.

    That product is kept in two numbers (Dekker's), for an exponential makes its rounding larger.
    """
    high = math.ldexp(round(math.ldexp(_LOG_2, 26)), -26)
    column = ref(x.name)
    within = builder.define(_within(column, -1100.0, 1100.0, builder), null=x.null, nan=False)
    z = ref(within.name)
    product = _near(fill("{} * {}", z, builder.literal(_LOG_2), is_atom=False), x, builder)
    scaled = _near(fill("{} * {}", z, builder.literal(_SPLIT), is_atom=False), x, builder)
    top = _near(fill("{0} - ({0} - {1})", ref(scaled.name), z, is_atom=False), x, builder)
    numbers = map(builder.literal, (high, _LOG_2 - high, _LOG_2_REST))
    rest_of = fill(
        "((({1} * {3} - {2}) + {1} * {4}) + ({0} - {1}) * {3}) + (({0} - {1}) * {4} + {0} * {5})",
        *(z, ref(top.name), ref(product.name), *numbers),
        is_atom=False,
    )
    # What is that small counts for nothing, and some engines raise where it vanishes.
    small = fill(
        "{0} > {1} AND {0} < {2}", z, *map(builder.literal, (-_SMALL, _SMALL)), is_atom=False
    )
    rest = _near(case([(small, builder.literal(0.0))], rest_of), x, builder)
    power = write_exp(product, builder)
    more = fill("{0} + {0} * {1}", ref(power.name), ref(rest.name), is_atom=False)
    branches = []
    if builder.target.infinity is not None:
        branches = [(_is(column, ">=", 1024.0, builder), builder.literal(math.inf))]
    return _near(case(branches, more), x, builder)


def _tanh(x: Number, builder: Builder) -> Number:
    """Write the hyperbolic tangent: ``-t / (t + 2)`` where ``t`` is ``expm1(-2 |x|)``."""
    twice = _near(
        fill("{} * {}", builder.literal(-2.0), _size(x, builder), is_atom=False), x, builder
    )
    t = ref(write_expm1(twice, builder).name)
    share = fill("-{0} / ({0} + {1})", t, builder.literal(2.0), is_atom=False)
    one = builder.literal(1.0)
    level = case([(_is(ref(twice.name), "<", -2 * _LEVEL, builder), one)], share)
    return _odd(x, level, builder)


def _sinh(x: Number, builder: Builder) -> Number:
    """Write half of ``t + t / (t + 1)`` where ``t`` is ``expm1(|x|)``."""
    size = _near(_size(x, builder), x, builder)
    t = ref(write_expm1(size, builder).name)
    half, one = builder.literal(0.5), builder.literal(1.0)
    written = fill("{0} * ({1} + {1} / ({1} + {2}))", half, t, one, is_atom=False)
    return _odd(x, _beyond(size, written, builder), builder)


def _cosh(x: Number, builder: Builder) -> Number:
    """Write half of an exponential and its reciprocal."""
    size = _near(_size(x, builder), x, builder)
    power = ref(write_exp(size, builder).name)
    written = fill("{0} * {1} + {0} / {1}", builder.literal(0.5), power, is_atom=False)
    return _near(_beyond(size, written, builder), x, builder)


def _beyond(size: Number, written: Expression, builder: Builder) -> Expression:
    """Write half of an exponential as a product of roots of it, near where it overflows."""
    halved = fill("{} * {}", ref(size.name), builder.literal(0.5), is_atom=False)
    root = write_exp(_near(halved, size, builder), builder)
    product = fill("({1} * {0}) * {0}", ref(root.name), builder.literal(0.5), is_atom=False)
    return case([(_is(ref(size.name), ">", 700.0, builder), product)], written)


def _arcsinh(x: Number, builder: Builder) -> Number:
    """Write ``log1p(a + a² / (1 + sqrt(1 + a²)))`` where ``a`` is the size."""
    near = builder.define(
        _within(_size(x, builder), _SMALL, _LARGE, builder), null=x.null, nan=False
    )
    a, one = ref(near.name), builder.literal(1.0)
    squared = fill("{1} + {0} * {0}", a, one, is_atom=False)
    root = builder.function(Function.SQRT, squared)
    inside = _near(fill("{0} + ({0} * {0}) / ({1} + {2})", a, one, root, is_atom=False), x, builder)
    size = _size(x, builder)
    small = fill("{} < {}", size, builder.literal(_SMALL), is_atom=False)
    written = case([(small, size)], _far(x, write_log1p(inside, builder), builder))
    return _odd(x, written, builder)


def _arccosh(x: Number, builder: Builder) -> Number:
    """Write ``log1p(t + sqrt(2 t + t²))`` where ``t`` is one less; missing below 1."""
    column, one = ref(x.name), builder.literal(1.0)
    near = builder.define(_within(column, 1.0, _LARGE, builder), null=x.null, nan=False)
    less = _near(fill("{} - {}", ref(near.name), one, is_atom=False), x, builder)
    t = ref(less.name)
    root = builder.function(
        Function.SQRT, fill("{1} * {0} + {0} * {0}", t, builder.literal(2.0), is_atom=False)
    )
    inside = _near(fill("{} + {}", t, root, is_atom=False), x, builder)
    written = _far(x, write_log1p(inside, builder), builder)
    there = _is(column, ">=", 1.0, builder)
    return builder.define(case([(there, written)], None), null=True, nan=False, approximate=True)


def _far(x: Number, near: Number, builder: Builder) -> Expression:
    """Write the logarithm of twice the size where a number is large."""
    size = _size(x, builder)
    logarithm = builder.function(Function.LOG, size)
    far = fill("{} + {}", logarithm, builder.literal(_LOG_2), is_atom=False)
    return case(
        [(fill("{} > {}", size, builder.literal(_LARGE), is_atom=False), far)], ref(near.name)
    )


def _arctanh(x: Number, builder: Builder) -> Number:
    """Write half of ``log1p(2 a / (1 - a))`` where ``a`` is the size, which is at most 1."""
    column, one = ref(x.name), builder.literal(1.0)
    size = _near(_size(x, builder), x, builder)
    a = ref(size.name)
    twice = fill("{1} * {0} / ({2} - {0})", a, builder.literal(2.0), one, is_atom=False)
    inside = case([(_is(a, "<", 1.0, builder), twice)], None)
    whole = write_log1p(builder.define(inside, null=True, nan=False), builder)
    half = fill("{} * {}", builder.literal(0.5), ref(whole.name), is_atom=False)
    at = _is(a, "=", 1.0, builder)
    found = case([(at, builder.literal(math.inf))], half)
    written = case([(_is(column, "<", 0.0, builder), fill("-{}", found, is_atom=False))], found)
    return builder.define(written, null=True, nan=False, approximate=True)


def _cbrt(x: Number, builder: Builder) -> Number:
    """Write the cube root: an exponential of a third of the logarithm, then a step of Newton's.

    Small numbers are made larger first, so that no product is a denormal.
    """
    size = _near(_size(x, builder), x, builder)
    small = _is(ref(size.name), "<", 2.0**-600, builder)
    scaled = fill("{} * {}", ref(size.name), builder.literal(2.0**300), is_atom=False)
    a = ref(_near(case([(small, scaled)], ref(size.name)), x, builder).name)
    third = fill("{} / {}", builder.function(Function.LOG, a), builder.literal(3.0), is_atom=False)
    first = case([(_is(a, ">", 0.0, builder), builder.function(Function.EXP, third))], None)
    y = ref(builder.define(first, null=True, nan=False, approximate=True).name)
    newton = fill(
        "{0} - ({0} * {0} * {0} - {1}) / ({2} * {0} * {0})",
        y,
        a,
        builder.literal(3.0),
        is_atom=False,
    )
    better = ref(_near(newton, x, builder).name)
    back = fill("{} * {}", better, builder.literal(2.0**-100), is_atom=False)
    root = case([(small, back)], better)
    ends = [(_is(ref(size.name), "=", 0.0, builder), ref(x.name))]
    if builder.target.infinity is not None:
        ends.append((_is(ref(size.name), "=", math.inf, builder), ref(x.name)))
    mirrored = case([(_is(ref(x.name), "<", 0.0, builder), fill("-{}", root, is_atom=False))], root)
    return _near(case(ends, mirrored), x, builder)


def _odd(x: Number, written: Expression, builder: Builder) -> Number:
    """Mirror what was written for the size of a number; 0 keeps its sign."""
    column = ref(x.name)
    whole = _near(written, x, builder)
    negative = fill("-{}", ref(whole.name), is_atom=False)
    branches = [
        (_is(column, "<", 0.0, builder), negative),
        (_is(column, ">", 0.0, builder), ref(whole.name)),
    ]
    return _near(case(branches, column), x, builder)


def _size(x: Number, builder: Builder) -> Expression:
    column = ref(x.name)
    negative = fill("-{}", column, is_atom=False)
    return case([(_is(column, "<", 0.0, builder), negative)], column)


def _within(x: Expression, low: float, high: float, builder: Builder) -> Expression:
    bounds = ((sign, end) for sign, end in (("<", low), (">", high)))
    return case([(_is(x, sign, end, builder), builder.literal(end)) for sign, end in bounds], x)


def _is(x: Expression, sign: str, value: float, builder: Builder) -> Expression:
    return fill("{} " + sign + " {}", x, builder.literal(value), is_atom=False)


def _near(written: Expression, like: Number, builder: Builder) -> Number:
    return builder.define(written, null=like.null, nan=False, approximate=True)


EXPONENTIALS: Mapping[Function, Writer] = {
    Function.EXP: write_exp,
    Function.NUMPY_EXP: write_exp,
    Function.FMATH_EXP: _fmath_exp,
    Function.LOG: write_log,
    Function.NUMPY_LOG: write_log,
    Function.NUMPY_LOG2: _log_to(2.0),
    Function.NUMPY_LOG10: _log_to(10.0),
    Function.EXPM1: write_expm1,
    Function.NUMPY_EXPM1: write_expm1,
    Function.NUMPY_LOG1P: write_log1p,
    Function.LOG1P_EXP: _softplus,
    Function.NUMPY_EXP2: _exp2,
    Function.NUMPY_POWER_OF_TWO: _exp2,
    Function.NUMPY_SINH: _sinh,
    Function.NUMPY_COSH: _cosh,
    Function.NUMPY_TANH: _tanh,
    Function.NUMPY_ARCSINH: _arcsinh,
    Function.NUMPY_ARCCOSH: _arccosh,
    Function.NUMPY_ARCTANH: _arctanh,
    Function.NUMPY_CBRT: _cbrt,
}
"""What is written by exponentials and logarithms."""
