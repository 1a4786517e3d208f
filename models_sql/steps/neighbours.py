"""The nearest stored points of a row, by the distances to all of them.

Which of equally near points scikit-learn takes follows from its walk through a k-d tree. So a row
is answered where that does not matter: the last neighbour is nearer than the next point by more
than rounding, or all that are as near as it vote alike. Any other row ends the query.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...ir.steps import Function, Metric, Weighting
from ..expressions import both, case, either, fill, ref, text
from .medians import add_exactly
from .stored_points import (
    EPSILON,
    add_columns,
    against,
    each,
    largest_gap,
    list_of,
    missing_too,
    read_rows,
    vector_of,
    weighted,
)

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression
    from ..target import Lists
    from .stored_points import Rows

_NEAR = 1e-12
"""Distances that are closer than this part of themselves count as equal, as in the kernel."""
_TINY = 1e-140
"""Squares of gaps below this lose digits."""
_LARGEST = 1.7976931348623157e308
_LETTERS = 22
"""How many a cell of a point takes at least."""
_ELEMENT = text("d")
_MANY, _HEAD = 1_000, 400
"""From how many points on, and from how many of them, a list is shortened before it is sorted."""


def emit_neighbours(step: s.Neighbours, builder: Builder) -> None:
    """Write one sum or mean an output."""
    lists = builder.target.lists
    if lists is None:
        builder.refuse(f"{builder.target.title} has no lists in which distances could be sorted")
    if step.points.size * _LETTERS > builder.target.limits.bytes:
        builder.refuse(
            f"{len(step.points):,} points of {len(step.inputs):,} columns make a statement beyond "
            f"{builder.target.limits.bytes:,} bytes"
        )
    rows = read_rows(step, builder)
    search = _Search(step, lists, builder, _distances(step, rows, lists, builder))
    totals, is_exact, error = (
        search.votes() if step.weighting is Weighting.UNIFORM else search.weights()
    )
    for name, total in zip(step.outputs, totals, strict=True):
        column = builder.define(
            missing_too(rows, total),
            null=rows.is_missing is not None,
            nan=True,
            summed=not is_exact,
        )
        if error is not None:
            builder.errors[column.name] = error
        builder.put(name, column)


def neighbour_roundings(step: s.Neighbours) -> int:
    """Give how many last digits of their size the neighbours' weights and their sum may be off."""
    return step.count + len(step.inputs) + 16


def _distances(step: s.Neighbours, rows: Rows, lists: Lists, builder: Builder) -> Expression:
    """Make the list of distances; Euclidean ones are squared where there are no arrays."""
    points = step.points.tolist()
    if step.metric is Metric.EUCLIDEAN and lists.vector is not None:
        vector = vector_of(rows, lists, builder)
        cells = [against(vector, lists.distance, point, lists) for point in points]
    elif step.metric is Metric.CHEBYSHEV:
        cells = [largest_gap(rows.columns, point, builder) for point in points]
    else:
        kind = "square" if step.metric is Metric.EUCLIDEAN else "absolute"
        cells = [add_columns(kind, rows.columns, point, builder) for point in points]
    return list_of(cells, lists, builder)


class _Search:
    """The neighbours of a row: a limit, up to which all points count, and those upon it."""

    def __init__(
        self, step: s.Neighbours, lists: Lists, builder: Builder, found: Expression
    ) -> None:
        self._step, self._lists, self._builder, self._found = step, lists, builder, found
        self._is_squared = step.metric is Metric.EUCLIDEAN and lists.vector is None
        count = min(step.count + 1, len(step.points))
        self._smallest = self._smallest_of(self._candidates(count), count)
        self._last = self._column(self._at(step.count))
        self._is_tie = self._tie() if count > step.count else None

    def _candidates(self, count: int) -> Expression:
        """Leave out of a long list what is farther than as many points of its head."""
        if len(self._step.points) < _MANY:
            return self._found
        head = fill(self._lists.head, self._found, text(str(max(_HEAD, count))))
        most = self._column(fill(self._lists.at, self._smallest_of(head, count), text(str(count))))
        return self._column(fill(self._lists.up_to, self._found, most))

    def _smallest_of(self, found: Expression, count: int) -> Expression:
        return self._column(fill(self._lists.smallest, found, text(str(count))))

    def _refuse_far(self) -> None:
        """Refuse a row in which no neighbour has a weight, as the kernel does."""
        is_far = fill("{} >= {}", self._at(1), self._infinity(), is_atom=False)
        message = f"a row is infinitely far from all rows that {self._step.where} was fitted to"
        self._builder.require(is_far, message, str(self._last))

    def _infinity(self) -> Expression:
        return self._builder.literal(math.inf)

    def votes(self) -> tuple[list[Expression], bool, Expression | None]:
        """Add the values of the neighbours, each of which counts 1."""
        step, builder = self._step, self._builder
        by_kind = self._is_vote() and self._is_tie is not None
        is_far = fill("{} >= {}", self._last, self._infinity(), is_atom=False)
        branches = [(is_far, builder.literal(_LARGEST))]
        if by_kind:
            branches.append((self._tie_test(), self._below()))
        elif self._is_tie is not None:
            self._refuse_ties(self._tie_test())
        low = self._column(case(branches, self._last))
        inside = self._mask(fill("{} <= {}", _ELEMENT, low, is_atom=False))
        totals = [weighted(inside, values, self._lists) for values in step.values.T]
        totals = self._with_stand_ins(totals, inside, is_far)
        if by_kind:
            totals = self._with_ties(totals, inside, low)
        if step.mean:
            count = builder.literal(float(step.count))
            totals = [fill("{} / {}", total, count, is_atom=False) for total in totals]
        is_exact = all(add_exactly(values) for values in step.values.T.tolist())
        return totals, is_exact, None

    def weights(self) -> tuple[list[Expression], bool, Expression | None]:
        """Add the values times one over the distance, or those at no distance where one is."""
        step, builder = self._step, self._builder
        if not step.mean:
            self._refuse_far()
        zero, one = builder.literal(0.0), builder.literal(1.0)
        is_on = fill("{} = {}", self._at(1), zero, is_atom=False)
        limit = self._column(case([(is_on, zero)], self._last))
        if self._is_tie is not None:
            is_open = fill("{} = {}", limit, self._last, is_atom=False)
            self._refuse_ties(both([self._tie_test(), is_open]))
        beyond = fill("{} > {}", _ELEMENT, limit, is_atom=False)
        upon = fill("{} = {}", limit, zero, is_atom=False)
        distance = _ELEMENT
        if self._is_squared:
            distance = builder.function(Function.SQRT, _ELEMENT)
        weight = fill("{} / {}", one, distance, is_atom=False)
        counted = each(
            self._found, case([(beyond, zero), (upon, one)], weight), self._lists, builder
        )
        sum_of = self._column(weighted(counted, np.ones(len(step.points)), self._lists))
        totals = [weighted(counted, values, self._lists) for values in step.values.T]
        if step.mean:
            totals = [fill("{} / {}", total, sum_of, is_atom=False) for total in totals]
        roundings = builder.literal(neighbour_roundings(step) * EPSILON)
        error = case([(upon, zero)], fill("{} * {}", sum_of, roundings, is_atom=False))
        return totals, False, self._column(error)

    def _is_vote(self) -> bool:
        return not self._step.mean and bool(np.isin(self._step.values, (0.0, 1.0)).all())

    def _with_stand_ins(
        self, totals: list[Expression], inside: Expression, is_far: Expression
    ) -> list[Expression]:
        """Let the first point stand in for neighbours at an infinite distance."""
        zero = self._builder.literal(0.0)
        added: list[Expression] = []
        for total, value in zip(totals, self._step.values[0].tolist(), strict=True):
            share = fill("{} * {}", self._left(inside), self._builder.literal(value), is_atom=False)
            stand_ins = case([(is_far, share)], zero)
            added.append(fill("{} + {}", total, stand_ins, is_atom=False))
        return added

    def _left(self, inside: Expression) -> Expression:
        """Count the places of neighbours that the points of a mask leave."""
        ones = np.ones(len(self._step.points))
        count = self._builder.literal(float(self._step.count))
        return fill("{} - {}", count, weighted(inside, ones, self._lists), is_atom=False)

    def _with_ties(
        self, totals: list[Expression], inside: Expression, low: Expression
    ) -> list[Expression]:
        """Fill the places that are left with points as near as the last, which vote alike."""
        builder, step = self._builder, self._step
        ones = np.ones(len(step.points))
        high = self._column(self._above())
        within = [
            fill("{} > {}", _ELEMENT, low, is_atom=False),
            fill("{} <= {}", _ELEMENT, high, is_atom=False),
        ]
        # Only few rows have ties, so these lists are made inside of a CASE.
        flag = case([(both(within), builder.literal(1.0))], builder.literal(0.0))
        mask = fill(self._lists.each, self._found, flag)
        near = [weighted(mask, values, self._lists) for values in step.values.T]
        every = weighted(mask, ones, self._lists)
        left = self._left(inside)
        added: list[Expression] = []
        doubts: list[Expression] = []
        for votes in near:
            zero = builder.literal(0.0)
            share = self._column(
                case([(self._tie_test(), fill("{} / {}", votes, every, is_atom=False))], zero)
            )
            more = fill("{} > {}", share, zero, is_atom=False)
            doubts.append(both([more, fill("{} < {}", share, builder.literal(1.0), is_atom=False)]))
            filled = fill("{} * {}", left, share, is_atom=False)
            added.append(case([(more, filled)], zero))
        self._refuse_ties(either(doubts))
        return [
            fill("{} + {}", total, more, is_atom=False)
            for total, more in zip(totals, added, strict=True)
        ]

    def _refuse_ties(self, test: Expression) -> None:
        message = "a tie at the last neighbour of a row; use the UDF, which walks the k-d tree"
        self._builder.require(test, message, str(self._last))

    def _tie(self) -> Expression:
        following = self._column(self._at(self._step.count + 1))
        gap = fill("{} - {}", following, self._last, is_atom=False)
        numbers = map(self._builder.literal, (_NEAR, _TINY))
        near = fill("{} * {} + {}", following, *numbers, is_atom=False)
        is_tie = fill("{} <= {}", gap, near, is_atom=False)
        one, zero = self._builder.literal(1.0), self._builder.literal(0.0)
        return self._column(case([(is_tie, one)], zero))

    def _tie_test(self) -> Expression:
        assert self._is_tie is not None  # noqa: S101 - asked where there is a next point
        return fill("{} = {}", self._is_tie, self._builder.literal(1.0), is_atom=False)

    def _below(self) -> Expression:
        numbers = map(self._builder.literal, (1 - 2 * _NEAR, 2 * _TINY))
        return fill("{} * {} - {}", self._last, *numbers, is_atom=False)

    def _above(self) -> Expression:
        numbers = map(self._builder.literal, (1 + 2 * _NEAR, 2 * _TINY))
        return fill("{} * {} + {}", self._last, *numbers, is_atom=False)

    def _mask(self, test: Expression) -> Expression:
        one, zero = self._builder.literal(1.0), self._builder.literal(0.0)
        return each(self._found, case([(test, one)], zero), self._lists, self._builder)

    def _at(self, place: int) -> Expression:
        return fill(self._lists.at, self._smallest, text(str(place)))

    def _column(self, expression: Expression) -> Expression:
        return ref(self._builder.define(expression, null=False, nan=False, stays=True).name)
