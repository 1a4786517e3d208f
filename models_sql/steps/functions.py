"""Functions of one column."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.steps import Function
from .. import float32_exp as f32
from ..expressions import case, fill, ref
from .exponentials import EXPONENTIALS, OVERFLOWS
from .normal import write_ndtri
from .trigonometry import TRIGONOMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...ir import steps as s
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression

    Writer = Callable[["Number", "Builder"], "Number"]

_SATURATED = 40.0
"""Above here one plus the exponential of the negative is one."""
_NO_FLOAT32 = (
    "it rounds to float32, which {} lacks; double_sums=True (the option --double-sums) leaves that "
    "out, and answers then agree to about 1e-6 of their size"
)
_ROUNDS = 2.0**52
"""From here on all numbers are whole."""
_ROUND = 6755399441055744.0
"""Three times 2 to the power of 51: added and taken off again, it rounds to whole numbers, ties to
even, up to 2 to the power of 51."""


def emit_elementwise(step: s.Elementwise, builder: Builder) -> None:
    """Apply a function to each column."""
    write = _WRITERS.get(step.function)
    if write is None:
        builder.refuse(f"SQL has no {step.function.value} that is certain to agree")
    read = builder.exact if step.function in _JUMPS else builder.clean
    for name, output in zip(step.inputs, step.outputs, strict=True):
        builder.put(output, write(read(name), builder))


def _sigmoid(x: Number, builder: Builder) -> Number:
    """Write the logistic function, without the arguments for which an exponential overflows."""
    column, one = ref(x.name), builder.literal(1.0)
    power = builder.function(Function.EXP, fill("-{}", column, is_atom=False))
    share = fill("{} / ({} + {})", one, one, power, is_atom=False)
    below = fill("{} < {}", column, builder.literal(-OVERFLOWS), is_atom=False)
    above = fill("{} > {}", column, builder.literal(_SATURATED), is_atom=False)
    written = case([(below, builder.literal(0.0)), (above, one)], share)
    return builder.define(written, null=x.null, nan=False, approximate=True)


def _sqrt(x: Number, builder: Builder) -> Number:
    column = ref(x.name)
    there = fill("{} >= {}", column, builder.literal(0.0), is_atom=False)
    root = builder.function(Function.SQRT, column)
    return builder.define(case([(there, root)], None), null=True, nan=False)


def _signed(template: str) -> Writer:
    """Write a function that is odd: ``template`` for numbers from 0, mirrored below."""

    def write(x: Number, builder: Builder) -> Number:
        column, zero = ref(x.name), builder.literal(0.0)
        below = fill("{} < {}", column, zero, is_atom=False)
        written = fill(template, column, is_atom=False)
        return builder.define(
            case([(below, fill("-{}", written, is_atom=False))], written), null=x.null, nan=False
        )

    return write


def _square(x: Number, builder: Builder) -> Number:
    squared = fill("{0} * {0}", ref(x.name), is_atom=False)
    return builder.define(squared, null=x.null, nan=False)


def _negative(x: Number, builder: Builder) -> Number:
    negated = fill("-{}", ref(x.name), is_atom=False)
    return builder.define(negated, null=x.null, nan=False, whole=x.whole)


def _reciprocal(x: Number, builder: Builder) -> Number:
    if not builder.target.divides_by_zero:
        builder.refuse(f"{builder.target.title} gives no infinity where a row divides by zero")
    divided = fill("{} / {}", builder.literal(1.0), ref(x.name), is_atom=False)
    return builder.define(divided, null=x.null, nan=False)


def _absolute(x: Number, builder: Builder) -> Number:
    column = ref(x.name)
    below = fill("{} < {}", column, builder.literal(0.0), is_atom=False)
    written = case([(below, fill("-{}", column, is_atom=False))], column)
    return builder.define(written, null=x.null, nan=False, whole=x.whole)


def _confidence(x: Number, builder: Builder) -> Number:
    size = _absolute(x, builder)
    three, one = builder.literal(3.0), builder.literal(1.0)
    written = fill("{} / ({} * ({} + {}))", ref(x.name), three, ref(size.name), one, is_atom=False)
    return builder.define(written, null=x.null, nan=True)


def _sign(x: Number, builder: Builder) -> Number:
    column, zero = ref(x.name), builder.literal(0.0)
    branches = [
        (fill("{} > {}", column, zero, is_atom=False), builder.literal(1.0)),
        (fill("{} < {}", column, zero, is_atom=False), builder.literal(-1.0)),
    ]
    return builder.define(case(branches, column), null=x.null, nan=False, whole=True)


def _rounded(function: Function) -> Writer:
    def write(x: Number, builder: Builder) -> Number:
        rounded = builder.function(function, ref(x.name))
        return builder.define(rounded, null=x.null, nan=False)

    return write


def _rint(x: Number, builder: Builder) -> Number:
    """Round to the nearest whole number, the even one of two, by adding what leaves no digit."""
    column, limit = ref(x.name), builder.literal(_ROUNDS)
    branches = [
        (
            fill("{0} > {1} AND {0} < {2}", column, builder.literal(0.0), limit, is_atom=False),
            fill("({0} + {1}) - {1}", column, limit, is_atom=False),
        ),
        (
            fill(
                "{0} < {1} AND {0} > {2}",
                *(column, builder.literal(0.0), builder.literal(-_ROUNDS)),
                is_atom=False,
            ),
            fill("-(({1} - {0}) - {1})", column, limit, is_atom=False),
        ),
    ]
    return builder.define(case(branches, column), null=x.null, nan=False)


def _trunc(x: Number, builder: Builder) -> Number:
    column = ref(x.name)
    below = fill("{} < {}", column, builder.literal(0.0), is_atom=False)
    up = builder.function(Function.FLOOR, fill("-{}", column, is_atom=False))
    down = builder.function(Function.FLOOR, column)
    written = case([(below, fill("-{}", up, is_atom=False))], down)
    return builder.define(written, null=x.null, nan=False)


def _scaled(factor: float) -> Writer:
    def write(x: Number, builder: Builder) -> Number:
        product = fill("{} * {}", ref(x.name), builder.literal(factor), is_atom=False)
        return builder.define(product, null=x.null, nan=False)

    return write


def _float32(x: Number, builder: Builder) -> Number:
    return builder.define(to_float32(ref(x.name), builder), null=x.null, nan=False)


def to_float32(x: Expression, builder: Builder) -> Expression:
    """Round to float32, or not at all where the user said that double will do."""
    template = builder.target.to_float32
    if template is not None:
        return fill(template, x)
    if not builder.double_sums:
        builder.refuse(_NO_FLOAT32.format(builder.target.title))
    return x


def float32_exponential(x: Number, builder: Builder) -> Number:
    """Write ``expf``, operation by operation: all of it is float64, but for the last rounding."""
    limits = (builder.literal(-f32.BEYOND), builder.literal(f32.BEYOND))
    column = ref(x.name)
    within = case(
        [
            (fill("{} < {}", column, limits[0], is_atom=False), limits[0]),
            (fill("{} > {}", column, limits[1], is_atom=False), limits[1]),
        ],
        column,
    )
    define, number = builder.define, builder.literal
    scaled = define(
        fill("{} * {}", within, number(f32.PER_PART), is_atom=False), null=x.null, nan=False
    )
    whole = fill("({} + {}) - {}", ref(scaled.name), number(_ROUND), number(_ROUND), is_atom=False)
    nearest = define(whole, null=x.null, nan=False)
    rest = define(
        fill("{} - {}", ref(scaled.name), ref(nearest.name), is_atom=False), null=x.null, nan=False
    )
    turns = builder.function(
        Function.FLOOR,
        fill("{} / {}", ref(nearest.name), number(float(f32.PARTS)), is_atom=False),
    )
    turn = define(turns, null=x.null, nan=False)
    product = fill(
        "({1} * {0} + {2}) * ({0} * {0}) + ({3} * {0} + {4})",
        ref(rest.name),
        *map(number, (f32.CUBIC, f32.SQUARE, f32.LINEAR, 1.0)),
        is_atom=False,
    )
    part = fill(
        "{} - {} * {}",
        *(ref(nearest.name), ref(turn.name), number(float(f32.PARTS))),
        is_atom=False,
    )
    which = define(part, null=x.null, nan=False)
    power = fill(
        "{} * ({} * {})",
        *(product, _of_part(which, builder), _power_of_two(turn, builder)),
        is_atom=False,
    )
    return define(to_float32(power, builder), null=x.null, nan=False)


def _of_part(part: Number, builder: Builder) -> Expression:
    """Choose 2 to the power of a 32nd."""
    return builder.table(part, list(enumerate(f32.POWERS)))


def _power_of_two(turn: Number, builder: Builder) -> Expression:
    """Choose 2 to the power of a whole number: exact, where an engine's own power need not be."""
    largest = int(f32.BEYOND * f32.PER_PART / f32.PARTS) + 1
    return builder.table(turn, [(n, 2.0**n) for n in range(-largest, largest + 1)])


def _float32_exp(x: Number, builder: Builder) -> Number:
    return float32_exponential(x, builder)


def _float32_sigmoid(x: Number, builder: Builder) -> Number:
    """Write XGBoost's logistic function."""
    largest = 88.69999694824219
    column = ref(x.name)
    above = fill("{} < {}", column, builder.literal(-largest), is_atom=False)
    negated = case([(above, builder.literal(largest))], fill("-{}", column, is_atom=False))
    power = float32_exponential(builder.define(negated, null=x.null, nan=False), builder)
    one = builder.literal(1.0)
    total = to_float32(fill("{} + {}", ref(power.name), one, is_atom=False), builder)
    share = to_float32(fill("{} / {}", one, total, is_atom=False), builder)
    return builder.define(share, null=x.null, nan=False)


_JUMPS = {Function.SIGN, Function.FLOOR, Function.CEIL, Function.RINT, Function.TRUNC}
_WRITERS: Mapping[Function, Writer] = {
    **EXPONENTIALS,
    **TRIGONOMETRY,
    Function.SCIPY_NDTRI: write_ndtri,
    Function.NUMPY_DEG2RAD: _scaled(math.pi / 180.0),
    Function.NUMPY_RAD2DEG: _scaled(180.0 / math.pi),
    Function.RINT: _rint,
    Function.TRUNC: _trunc,
    Function.SIGMOID: _sigmoid,
    Function.SQRT: _sqrt,
    Function.SQUARE: _square,
    Function.SIGNED_SQUARE: _signed("{0} * {0}"),
    Function.ABSOLUTE: _absolute,
    Function.NEGATIVE: _negative,
    Function.RECIPROCAL: _reciprocal,
    Function.SIGN: _sign,
    Function.FLOOR: _rounded(Function.FLOOR),
    Function.CEIL: _rounded(Function.CEIL),
    Function.SKLEARN_CONFIDENCE: _confidence,
    Function.FLOAT32: _float32,
    Function.FLOAT32_EXP: _float32_exp,
    Function.FLOAT32_SIGMOID: _float32_sigmoid,
}
