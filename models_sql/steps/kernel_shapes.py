"""Kernels as expressions of what they read, which is a product or a distance.

Powers that are not whole go through a logarithm, and a hyperbolic tangent through an exponential:
for a kernel that is never larger than 1 the error stays a few last digits of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir.steps import Function, Kernel
from ..expressions import case, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression

    Name = Callable[[Expression], Expression]
    """Makes an expression one that can be read several times, until the next one is made."""

LEAST = -690.0
"""Where an exponential is no longer told from 0. No product with a weight underflows there."""
_LEVEL = 22.0
"""From here on a hyperbolic tangent is 1."""
_MOST = 8
"""The largest power that is written as products."""
PRODUCTS = frozenset({Kernel.POLYNOMIAL, Kernel.SIGMOID, Kernel.EXPANDED_RBF})
"""Kernels of a product, which may overflow in both directions."""
FINITE = frozenset({Kernel.RBF, Kernel.LAPLACIAN, Kernel.EXPONENTIAL, Kernel.RATIONAL_QUADRATIC})
"""Kernels that are a finite number for every row: a weight of 0 adds nothing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kernel of a step, and its parameters."""

    kernel: Kernel
    gamma: float
    constant: float
    degree: float
    exponent: float

    @classmethod
    def of(cls, step: s.KernelSum, index: int) -> Shape:
        """Read the kernel at a place."""
        arrays = (step.gammas, step.constants, step.degrees, step.exponents)
        return cls(step.kernels[index], *(float(array[index]) for array in arrays))

    @property
    def is_exact(self) -> bool:
        """Whether it is plain arithmetic."""
        return self.kernel is Kernel.POLYNOMIAL and self.degree == self.exponent == 1


def write_shape(shape: Shape, u: Expression, name: Name, builder: Builder) -> Expression:
    """Write a kernel and its exponent; ``u`` can be read several times."""
    if shape.kernel not in _WRITERS:
        builder.refuse(f"it needs a sine, in whose last bits engines differ ({shape.kernel.value})")
    written = _WRITERS[shape.kernel](shape, u, name, builder)
    if shape.exponent == 1:
        return written
    if _is_whole(shape.exponent):
        return _power(written, shape.exponent, name)
    if shape.kernel not in FINITE or shape.exponent < 0:
        builder.refuse(f"engines differ in the last bits of a power of {shape.exponent!r}")
    base = name(written)
    logarithm = builder.function(Function.LOG, base)
    power = _exp(
        fill("{} * {}", logarithm, builder.literal(shape.exponent), is_atom=False), builder
    )
    above = fill("{} > {}", base, builder.literal(0.0), is_atom=False)
    return case([(above, power)], builder.literal(0.0))


def _is_whole(power: float) -> bool:
    return power.is_integer() and 1 <= power <= _MOST


def _power(base: Expression, power: float, name: Name) -> Expression:
    base = name(base)
    return fill(" * ".join(["{0}"] * int(power)), base, is_atom=False)


def _exp(x: Expression, builder: Builder) -> Expression:
    """Write the exponential of what is at most 0."""
    greatest = builder.target.greatest.replace("{}", "{}, {}")
    return builder.function(Function.EXP, fill(greatest, x, builder.literal(LEAST)))


def _times(x: Expression, factor: float, builder: Builder) -> Expression:
    return fill("{} * {}", x, builder.literal(factor), is_atom=False)


def _argument(shape: Shape, u: Expression, builder: Builder) -> Expression:
    numbers = map(builder.literal, (shape.gamma, shape.constant))
    return fill("{} * {} + {}", u, *numbers, is_atom=False)


def _polynomial(shape: Shape, u: Expression, name: Name, builder: Builder) -> Expression:
    base = _argument(shape, u, builder)
    if shape.degree == 0:
        return builder.literal(1.0)
    if not _is_whole(shape.degree):
        builder.refuse(f"engines differ in the last bits of a power of {shape.degree!r}")
    return base if shape.degree == 1 else _power(base, shape.degree, name)


def _sigmoid(shape: Shape, u: Expression, name: Name, builder: Builder) -> Expression:
    z = name(_argument(shape, u, builder))
    one, two = builder.literal(1.0), builder.literal(2.0)
    doubled = builder.function(Function.EXP, fill("{} * {}", two, z, is_atom=False))
    inside = fill("{} - {} / ({} + {})", one, two, doubled, one, is_atom=False)
    above = fill("{} > {}", z, builder.literal(_LEVEL), is_atom=False)
    below = fill("{} < {}", z, builder.literal(-_LEVEL), is_atom=False)
    branches = [*where_nan(z, builder), (above, one), (below, builder.literal(-1.0))]
    return case(branches, inside)


def _rbf(shape: Shape, u: Expression, _: Name, builder: Builder) -> Expression:
    return _exp(_times(u, -shape.gamma, builder), builder)


def _expanded(shape: Shape, u: Expression, name: Name, builder: Builder) -> Expression:
    """Write the exponential of what may be NaN, which not every engine's largest of two keeps."""
    x = name(_times(u, -shape.gamma, builder))
    below = fill("{} < {}", x, builder.literal(LEAST), is_atom=False)
    power = builder.function(Function.EXP, x)
    return case([*where_nan(x, builder), (below, builder.literal(0.0))], power)


def where_nan(x: Expression, builder: Builder) -> list[tuple[Expression, Expression]]:
    """Write a branch that keeps NaN: engines differ in whether it is less or greater."""
    test = builder.target.is_nan
    return [] if test is None else [(fill(test, x, is_atom=False), x)]


def _exponential(_: Shape, u: Expression, __: Name, builder: Builder) -> Expression:
    return _exp(fill("-{}", builder.function(Function.SQRT, u), is_atom=False), builder)


def _matern(order: float, template: str) -> Callable[..., Expression]:
    def write(_: Shape, u: Expression, name: Name, builder: Builder) -> Expression:
        root = builder.function(Function.SQRT, u)
        r = name(_times(root, order**0.5, builder))
        power = _exp(fill("-{}", r, is_atom=False), builder)
        numbers = map(builder.literal, (1.0, 3.0))
        product = fill("(" + template + ") * {3}", r, *numbers, power, is_atom=False)
        # 0 for what is far, and no number for what is infinitely far.
        far = fill("{0} - {0}", r, is_atom=False)
        beyond = fill("{} > {}", r, builder.literal(-LEAST), is_atom=False)
        return case([(beyond, far)], product)

    return write


def _rational(shape: Shape, u: Expression, _: Name, builder: Builder) -> Expression:
    gamma, one = builder.literal(shape.gamma), builder.literal(1.0)
    base = fill("{} + {} / {}", one, u, gamma, is_atom=False)
    return _exp(_times(builder.function(Function.LOG, base), -shape.degree, builder), builder)


_WRITERS: Mapping[Kernel, Callable[[Shape, Expression, Name, Builder], Expression]] = {
    Kernel.POLYNOMIAL: _polynomial,
    Kernel.SIGMOID: _sigmoid,
    Kernel.RBF: _rbf,
    Kernel.EXPANDED_RBF: _expanded,
    Kernel.LAPLACIAN: _rbf,
    Kernel.EXPONENTIAL: _exponential,
    Kernel.MATERN_3_2: _matern(3.0, "{1} + {0}"),
    Kernel.MATERN_5_2: _matern(5.0, "{1} + {0} + {0} * {0} / {2}"),
    Kernel.RATIONAL_QUADRATIC: _rational,
}
