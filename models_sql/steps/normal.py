"""Quantiles of the normal distribution: the kernel's arithmetic, with the engine's logarithm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.normal import FAR, FAR_TAIL, MIDDLE, NEAR_TAIL, ROOT, TAIL
from ...ir.steps import Function
from ..expressions import case, fill, ref

if TYPE_CHECKING:
    from ...ir.normal import Polynomial
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression


def write_ndtri(p: Number, builder: Builder) -> Number:
    """Write ``ndtri``: missing outside of 0 to 1, and infinite at both."""
    x, one = ref(p.name), builder.literal(1.0)
    upper = fill("{} > {}", x, builder.literal(1.0 - TAIL), is_atom=False)
    rest = case([(upper, fill("{} - {}", one, x, is_atom=False))], x)
    y = builder.define(rest, null=p.null, nan=False)
    inside = fill("{} > {}", ref(y.name), builder.literal(TAIL), is_atom=False)
    tail = _tail(y, builder)
    found = case([(inside, _middle(y, builder)), (upper, tail)], fill("-{}", tail, is_atom=False))
    ends = [
        (fill("{} = {}", x, builder.literal(at), is_atom=False), builder.literal(value))
        for at, value in ((0.0, -math.inf), (1.0, math.inf))
    ]
    there = fill("{0} > {1} AND {0} < {2}", x, builder.literal(0.0), one, is_atom=False)
    return builder.define(
        case([*ends, (there, found)], None), null=True, nan=False, approximate=True
    )


def _middle(y: Number, builder: Builder) -> Expression:
    half = fill("{} - {}", ref(y.name), builder.literal(0.5), is_atom=False)
    w = builder.define(half, null=y.null, nan=False)
    squares = builder.define(fill("{0} * {0}", ref(w.name), is_atom=False), null=y.null, nan=False)
    top, bottom = (_polynomial(squares, terms, builder) for terms in MIDDLE)
    written = fill(
        "({0} + {0} * ({1} * {2} / {3})) * {4}",
        *(ref(w.name), ref(squares.name), top, bottom, builder.literal(ROOT)),
        is_atom=False,
    )
    return ref(builder.define(written, null=y.null, nan=False).name)


def _tail(y: Number, builder: Builder) -> Expression:
    """Write what a small probability gives; the logarithm of no other is taken."""
    small = fill("{0} > {1} AND {0} <= {2}", ref(y.name), *_ends(builder), is_atom=False)
    doubled = fill(
        "{} * {}", builder.literal(-2.0), builder.function(Function.LOG, ref(y.name)), is_atom=False
    )
    root = case([(small, builder.function(Function.SQRT, doubled))], None)
    x = builder.define(root, null=True, nan=False, approximate=True)
    z = builder.define(
        fill("{} / {}", builder.literal(1.0), ref(x.name), is_atom=False), null=True, nan=False
    )
    near, far = (
        fill(
            "{0} * {1} / {2}",
            *(ref(z.name), _polynomial(z, top, builder), _polynomial(z, bottom, builder)),
            is_atom=False,
        )
        for top, bottom in (NEAR_TAIL, FAR_TAIL)
    )
    is_near = fill("{} < {}", ref(x.name), builder.literal(FAR), is_atom=False)
    quotient = case([(is_near, near)], far)
    logarithm = builder.function(Function.LOG, ref(x.name))
    written = fill("({0} - {1} / {0}) - {2}", ref(x.name), logarithm, quotient, is_atom=False)
    return ref(builder.define(written, null=True, nan=False).name)


def _ends(builder: Builder) -> tuple[Expression, Expression]:
    return builder.literal(0.0), builder.literal(TAIL)


def _polynomial(x: Number, terms: Polynomial, builder: Builder) -> Expression:
    """Write a polynomial by Horner's rule, as a column: what nests deeper is no shorter."""
    total = builder.literal(terms[0])
    for term in terms[1:]:
        total = fill("{} * {} + {}", total, ref(x.name), builder.literal(term), is_atom=False)
    return ref(builder.define(total, null=x.null, nan=False).name)
