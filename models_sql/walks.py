"""How an engine walks trees that stand in tables, as data of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayWalk:
    """Forests in arrays: a table of one row, whose columns are read as constants.

    Positions count from 1. Exactly one of ``map`` and ``leaves`` is there.

    Attributes
    ----------
    read
        An array of the model's table, by ``{column}`` and ``{table}``.
    is_carried
        Whether an array becomes a column of the first stage, which later ones carry on without
        copying it; else it is read where it is needed.
    array
        A list of ``{items}``.
    element
        The ``{index}``-th element of ``{array}``.
    part
        ``{length}`` elements of ``{array}`` from the ``{first}``, the last of which is ``{last}``.
    whole
        A cast to a whole number of 64 bits.
    entry
        Of a record ``r``, the bits below ``{limit}``, as an index.
    position
        The bits of ``{record}``, which is not negative, from bit ``{bits}`` on, as an index.
    number
        Minus the record ``r``, as an index.
    map
        A list of ``{body}``, in the order of the elements ``r`` of ``{array}``.
    leaves
        A list of the values of the leaves that are reached from the records ``{roots}``, in their
        order, where ``{step}`` is the record that follows the record ``r``; it is a leaf where it
        is negative, and then has the value ``{leaf}``.
    fold
        The sum of the elements of ``{array}``, added to ``{start}`` from the first to the last,
        where ``{sum}`` is that of ``a`` and ``b``.
    float32_fold
        The same in float32; None where ``{sum}`` says it all.
    count_up_to
        How many of the ascending ``{array}`` are not above ``{value}``; None where they are found
        by halves.
    """

    read: str
    is_carried: bool
    array: str
    element: str = "{array}[{index}]"
    part: str
    whole: str = "CAST({} AS BIGINT)"
    entry: str
    position: str
    number: str = "-r"
    map: str | None = None
    leaves: str | None = None
    fold: str
    float32_fold: str | None = None
    count_up_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWalk:
    """Forests in a table with one row a node, which is found by its number.

    Attributes
    ----------
    row
        The ``{column}`` of the row with the number ``{index}`` in ``{table}``.
    sum
        A walk through one tree after the other that adds up their leaves. ``{table}`` has the
        columns ``id``, ``record`` and ``value``; ``{first}`` is the number of the first root and
        ``{start}`` the sum before it. From a record ``w.record`` above 0 it goes on at
        ``{position}``, from one below 0 at the number without the sign, and at 0 it ends.
    position
        The bits of ``{record}``, which is not negative, from bit ``{bits}`` on.
    """

    row: str
    sum: str
    position: str


Walk: TypeAlias = ArrayWalk | RowWalk
