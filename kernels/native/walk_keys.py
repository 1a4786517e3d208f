"""The keys of the walking kernel: 32-bit integers that keep the order which the splits see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir import Trees

FEATURE = np.dtype(
    [
        ("thresholds", "i8"),
        *((name, "u4") for name in ("count", "first_step")),
        *((name, "i4") for name in ("input", "kind", "missing_left", "missing_right")),
    ]
)
BY_FLOAT, BY_RANK, BY_CATEGORY = range(3)
_WORD_BITS = 32
_MOST_SET_WORDS = 2**27
_UINT16 = 2**16


class Keys(NamedTuple):
    """The features, and what each split compares with which column of keys: arrays by split.

    ``words`` says how many words of 32 bits a set of a column has; ``split`` is where the bits of
    a set begin. ``is_small`` is false where the sets would take half a gigabyte and more.
    """

    feature: NDArray[np.void]
    thresholds: NDArray[np.float64]
    words: NDArray[np.int32]
    sets: NDArray[np.uint32]
    split: NDArray[np.uint32]
    column: NDArray[np.uint32]
    is_set: NDArray[np.bool_]
    columns: int
    is_small: bool


@dataclass(slots=True)
class _Building:
    thresholds: list[NDArray[np.float64]]
    places: int
    sets: list[NDArray[np.uint32]]
    set_words: int
    words: list[int]


def build_keys(trees: Trees, nodes: NDArray[np.intp]) -> Keys:
    """Describe the features of the splits ``nodes``. Column 0 is the leaves': always 0."""
    of = trees.feature[nodes]
    # numpy sorts integers of 16 bits by radix.
    by_feature = np.argsort(of.astype(np.uint16) if trees.features < _UINT16 else of, kind="stable")
    counts = np.bincount(of, minlength=1)
    used = np.flatnonzero(counts)
    ends = np.cumsum(counts[used])
    feature = np.zeros(len(used), FEATURE)
    split = np.zeros(len(nodes), np.uint32)
    column = np.zeros(len(nodes), np.uint32)
    built = _Building([], 0, [np.zeros(1, np.uint32)], 1, [0])
    for row, index, end in zip(feature, used.tolist(), ends.tolist(), strict=True):
        here = by_feature[end - counts[index] : end]
        row["input"] = index
        is_set = trees.category_set[nodes[here[0]]] >= 0
        add = _add_categories if is_set else _add_numbers
        split[here], column[here] = add(built, row, trees, nodes[here])
    return Keys(
        feature,
        np.concatenate([*built.thresholds, np.zeros(1)]),
        np.array(built.words, np.int32),
        np.concatenate(built.sets),
        split,
        column,
        trees.category_set[nodes] >= 0,
        len(built.words),
        is_small=built.set_words < _MOST_SET_WORDS,
    )


def _add_numbers(
    built: _Building, row: np.void, trees: Trees, nodes: NDArray[np.intp]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Add a column for each way of NaN; the keys are floats where these tell thresholds apart."""
    threshold = trees.threshold[nodes]
    if _are_limits_of_float32(threshold):
        row["kind"], split = BY_FLOAT, keys_of_float32(threshold)
    else:
        distinct, split = np.unique(threshold, return_inverse=True)
        row["kind"] = BY_RANK
        _add_thresholds(built, row, distinct)
    goes_left = trees.missing_left[nodes]
    for name, is_needed in (
        ("missing_left", goes_left.any()),
        ("missing_right", not goes_left.all()),
    ):
        row[name] = len(built.words) if is_needed else -1
        built.words += [0] * int(is_needed)
    column = np.where(goes_left, row["missing_left"], row["missing_right"])
    return split.astype(np.uint32), column.astype(np.uint32)


def _are_limits_of_float32(thresholds: NDArray[np.float64]) -> bool:
    """Whether ``x <= t`` is ``float32(x) <= float32(t)`` for all numbers ``x`` and all ``t``.

    So it is where the next float64 rounds to another float32, as that of every threshold of a
    library that casts its inputs does.
    """
    with np.errstate(over="ignore"):
        after = np.nextafter(thresholds, np.inf).astype(np.float32)
        return bool(((after > thresholds.astype(np.float32)) | (thresholds == np.inf)).all())


def keys_of_float32(numbers: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Round to float32, and give its order as that of unsigned integers; both zeros are one."""
    with np.errstate(over="ignore"):
        bits = (numbers.astype(np.float32) + np.float32(0.0)).view(np.uint32)
    sign = np.uint32(2**31)
    return np.where(bits >= sign, ~bits, bits | sign)


def _add_thresholds(built: _Building, row: np.void, distinct: NDArray[np.float64]) -> None:
    """Pad what is searched with infinities, to one less than a power of two."""
    first_step = 1 << max(len(distinct).bit_length() - 1, 0)
    padding = np.full(2 * first_step - 1 - len(distinct), np.inf)
    row["thresholds"], row["count"], row["first_step"] = built.places, len(distinct), first_step
    built.thresholds += [distinct, padding]
    built.places += 2 * first_step - 1


def _add_categories(
    built: _Building, row: np.void, trees: Trees, nodes: NDArray[np.intp]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Add a column of category indices, and the bits of every set with its way of NaN."""
    ways = trees.category_set[nodes].astype(np.int64) * 2 + trees.missing_left[nodes]
    distinct, way = np.unique(ways, return_inverse=True)
    members, sizes = trees.members((distinct // 2).astype(np.int32))
    categories = np.unique(members)
    words = (len(categories) + 1) // _WORD_BITS + 1
    row["kind"], row["missing_left"], row["missing_right"] = BY_CATEGORY, len(built.words), -1
    _add_thresholds(built, row, categories.astype(np.float64))
    column = np.full(len(nodes), len(built.words), np.uint32)
    split = built.set_words + way * words
    built.words.append(words)
    built.set_words += len(distinct) * words
    if built.set_words < _MOST_SET_WORDS:
        bits = np.zeros((len(distinct), words), np.uint32)
        owner = np.repeat(np.arange(len(distinct)), sizes)
        _set_bits(bits, owner, np.searchsorted(categories, members))
        missing = np.flatnonzero(distinct % 2)
        _set_bits(bits, missing, np.full(len(missing), len(categories) + 1))
        built.sets.append(bits.ravel())
    return split.astype(np.uint32), column


def _set_bits(
    bits: NDArray[np.uint32], owner: NDArray[np.intp], position: NDArray[np.intp]
) -> None:
    value = np.uint32(1) << (position % _WORD_BITS).astype(np.uint32)
    np.bitwise_or.at(bits, (owner, position // _WORD_BITS), value)
