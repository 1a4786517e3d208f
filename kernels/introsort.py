"""The order in which scikit-learn's sort leaves equal values.

Source: ``simultaneous_sort`` in sklearn/utils/_sorting.pyx, with two-way partitions. Insertion
sort, which keeps equal values in their order, ends it and does all of it up to 15 values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SMALL = 15
Pair = tuple[float, int]


def introsort(pairs: list[Pair]) -> None:
    """Sort pairs in place by their first members."""
    if pairs:
        _sort(pairs, 0, len(pairs), 2 * int(math.log2(len(pairs))))


def _sort(pairs: list[Pair], start: int, end: int, depth: int) -> None:
    while end - start > _SMALL:
        if depth <= 0:
            part = pairs[start:end]
            _heapsort(part)
            pairs[start:end] = part
            return
        depth -= 1
        middle = _partition(pairs, start, end)
        _sort(pairs, start, middle, depth)
        start = middle + 1
    # sorted() is stable, as insertion sort is.
    pairs[start:end] = sorted(pairs[start:end], key=_value)


def _value(pair: Pair) -> float:
    return pair[0]


def _swapper(pairs: list[Pair]) -> Callable[[int, int], None]:
    def swap(i: int, j: int) -> None:
        pairs[i], pairs[j] = pairs[j], pairs[i]

    return swap


def _partition(pairs: list[Pair], start: int, end: int) -> int:
    """Put what is at most the median of three to the left, and the rest to the right of it."""
    swap = _swapper(pairs)
    last, middle = end - 1, start + (end - start) // 2
    if pairs[start][0] > pairs[last][0]:
        swap(start, last)
    if pairs[last][0] > pairs[middle][0]:
        swap(last, middle)
        if pairs[start][0] > pairs[last][0]:
            swap(start, last)
    pivot = pairs[last][0]
    i, j = start + 1, end - 2
    while True:
        while i <= j and pairs[i][0] < pivot:
            i += 1
        while i <= j and pairs[j][0] > pivot:
            j -= 1
        if i >= j:
            break
        swap(i, j)
        i += 1
        j -= 1
    swap(i, last)
    return i


def _heapsort(pairs: list[Pair]) -> None:
    for start in range((len(pairs) - 2) // 2, -1, -1):
        _sift_down(pairs, start, len(pairs))
    swap = _swapper(pairs)
    for end in range(len(pairs) - 1, 0, -1):
        swap(0, end)
        _sift_down(pairs, 0, end)


def _sift_down(pairs: list[Pair], root: int, end: int) -> None:
    swap = _swapper(pairs)
    while True:
        child, largest = 2 * root + 1, root
        if child < end and pairs[largest][0] < pairs[child][0]:
            largest = child
        if child + 1 < end and pairs[largest][0] < pairs[child + 1][0]:
            largest = child + 1
        if largest == root:
            return
        swap(root, largest)
        root = largest
