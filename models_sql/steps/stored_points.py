"""What rows and stored points have in common: their columns, products and distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..expressions import Expression, bare, both, case, chain, either, fill, ref, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...ir import steps as s
    from ..builder import Builder
    from ..target import Lists

EPSILON = 2.0**-52


@dataclass(frozen=True, slots=True)
class Rows:
    """The row that is compared: its columns without missing numbers, and where one was missing."""

    columns: tuple[Expression, ...]
    is_missing: Expression | None
    is_there: Expression | None


def read_rows(step: s.KernelSum | s.Neighbours, builder: Builder) -> Rows:
    """Read the inputs; a missing one is 0 until the answer is made missing too."""
    columns: list[Expression] = []
    tests: list[Expression] = []
    for name in step.inputs:
        if builder.is_approximate(name):
            builder.refuse("it reads the result of a function whose last bit engines differ in")
        column = builder.clean(name)
        test = builder.is_missing(column)
        if test is not None:
            tests.append(test)
            filled = fill("COALESCE({}, {})", ref(column.name), builder.literal(0.0))
            column = builder.define(filled, null=False, nan=False, whole=column.whole)
        columns.append(ref(column.name))
    there = [fill("{} IS NOT NULL", text_of(test), is_atom=False) for test in tests]
    return Rows(tuple(columns), either(tests) if tests else None, both(there) if there else None)


def text_of(test: Expression) -> Expression:
    """Give the column of a test for a missing value."""
    return ref(next(iter(test.refs())))


def add_columns(
    kind: str, rows: Sequence[Expression], point: Sequence[float], builder: Builder
) -> Expression:
    """Write a product, or a sum of squared or absolute differences, in the order of the inputs."""
    return builder.sum_of(_terms(kind, rows, point, builder))


def largest_gap(rows: Sequence[Expression], point: Sequence[float], builder: Builder) -> Expression:
    """Write the largest absolute difference."""
    gaps = list(_terms("absolute", rows, point, builder))
    if len(gaps) == 1:
        return gaps[0]
    return fill(builder.target.greatest.replace("{}", ", ".join(["{}"] * len(gaps))), *gaps)


def _terms(
    kind: str, rows: Sequence[Expression], point: Sequence[float], builder: Builder
) -> Iterable[Expression]:
    if kind == "product":
        # A sum starts from 0: without it, minus zeros alone would keep their sign.
        yield builder.literal(0.0)
    greatest = builder.target.greatest.replace("{}", "{0} - {1}, {1} - {0}")
    templates = {"product": "{0} * {1}", "square": "({0} - {1}) * ({0} - {1})"}
    for x, p in zip(rows, point, strict=True):
        template = templates.get(kind, greatest)
        yield fill(template, x, builder.literal(p), is_atom=kind == "absolute")


def vector_of(rows: Rows, lists: Lists, builder: Builder) -> Expression:
    """Make the row an array."""
    places = ", ".join(["{}"] * len(rows.columns))
    made = fill(str(lists.vector).replace("{}", places), *rows.columns)
    return ref(builder.define(made, null=False, nan=False).name)


def against(vector: Expression, template: str, point: Sequence[float], lists: Lists) -> Expression:
    """Compare the row's array with a point's."""
    assert lists.point is not None  # noqa: S101 - a target with vectors has points
    return fill(template, vector, text(lists.point(point)))


def list_of(elements: Sequence[Expression], lists: Lists, builder: Builder) -> Expression:
    """Make a list of expressions, as a column."""
    made = chain(",", map(bare, elements))
    return ref(builder.define(fill(lists.make, bare(made)), null=False, nan=False).name)


def weighted(found: Expression, weights: NDArray[np.float64], lists: Lists) -> Expression:
    """Add the products of a list and constants."""
    return fill(lists.weighted, found, text(lists.numbers(weights.tolist())))


def each(found: Expression, term: Expression, lists: Lists, builder: Builder) -> Expression:
    """Make a list of what becomes of each number ``d`` of another one, as a column."""
    made = fill(lists.each, found, bare(term))
    return ref(builder.define(made, null=False, nan=False).name)


def missing_too(rows: Rows, answer: Expression) -> Expression:
    """Make an answer missing where an input is."""
    return answer if rows.is_missing is None else case([(rows.is_missing, text("NULL"))], answer)
