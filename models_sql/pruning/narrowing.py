"""Steps rewritten for what is known of their inputs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...ir import steps as s
from .forests import prune_forest, prune_linear_forest
from .knowledge import can_be_unknown, is_distinct, possible_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .domain import Known

Check = TypeVar("Check", s.Require, s.RequireRange)


def narrowed_step(  # noqa: PLR0911 - one a step
    step: s.Step, inputs: Sequence[Known], keys: Collection[str]
) -> tuple[s.Step, ...]:
    """Give the steps that do the same for what can occur.

    ``keys`` are the columns that the model reads by value.
    """
    match step:
        case s.Require():
            return _require(step, inputs, keys)
        case s.RequireRange():
            return _checking(
                step, inputs, lambda _, known: known.low < step.low or known.high > step.high
            )
        case s.Lookup():
            return (_lookup(step, inputs[0]),)
        case s.LookupRow():
            return (_lookup_row(step, inputs),)
        case s.Dot():
            return (_dot(step, inputs),)
        case s.Forest():
            return (prune_forest(step, inputs),)
        case s.LinearForest():
            return (prune_linear_forest(step, inputs),)
        case _:
            return (step,)


def _require(
    step: s.Require, inputs: Sequence[Known], keys: Collection[str]
) -> tuple[s.Require, ...]:
    """Leave the checks that can fail.

    Of a key only whether it is missing is asked. That is said in a step of its own: should no step
    read the column as a key any more, it is a number, of which more would be asked.
    """
    plain = replace(step, infinite=False, largest=math.inf)
    of_keys = _checking(
        plain, inputs, lambda name, known: name in keys and step.missing and known.missing
    )
    of_numbers = _checking(
        step, inputs, lambda name, known: name not in keys and _can_fail(step, known)
    )
    return (*of_keys, *of_numbers)


def _can_fail(step: s.Require, known: Known) -> bool:
    if step.missing and known.missing:
        return True
    if known.is_empty:
        return False
    if step.infinite and not known.is_finite:
        return True
    return step.largest < math.inf and max(-known.low, known.high) > step.largest


def _checking(
    step: Check, inputs: Sequence[Known], fails: Callable[[str, Known], bool]
) -> tuple[Check, ...]:
    pairs = zip(step.inputs, inputs, strict=True)
    names = tuple(name for name, known in pairs if fails(name, known))
    return (replace(step, inputs=names),) if names else ()


def _lookup(step: s.Lookup, known: Known) -> s.Lookup:
    """Leave the keys that can occur; what cannot occur is not refused either."""
    kept = [place for place, key in enumerate(step.keys) if known.can_be(key)] or [0]
    if not step.keys:
        return step
    values = step.values[kept]
    missing, unknown = step.missing, step.unknown
    if missing is None and not known.missing:
        missing = float(values[0])
    if unknown is None and not can_be_unknown(step, known):
        unknown = float(values[0])
    keys = tuple(step.keys[place] for place in kept)
    return replace(step, keys=keys, values=values, missing=missing, unknown=unknown)


def _lookup_row(step: s.LookupRow, inputs: Sequence[Known]) -> s.LookupRow:
    kept = possible_rows(step, inputs) or [0]
    return replace(step, keys=step.keys[kept], values=step.values[kept])


def _dot(step: s.Dot, inputs: Sequence[Known]) -> s.Dot:
    """Leave out inputs that are always 0.

    A sum that begins with 0 is never -0, so adding a zero of either sign changes no bit.
    """
    kept = [
        place
        for place, known in enumerate(inputs)
        if known.missing or known.values != (0.0,) or not np.isfinite(step.weights[place]).all()
    ] or [0]
    if len(kept) == len(inputs):
        return step
    names = tuple(step.inputs[place] for place in kept)
    return replace(step, inputs=names, weights=step.weights[kept])


def flags_of(step: s.OneHot, names: Sequence[str]) -> s.OneHot:
    """Leave some flags of a code, where each code is there once."""
    if not is_distinct(step):
        return step
    codes = np.array([step.codes[step.outputs.index(name)] for name in names])
    return replace(step, outputs=tuple(names), codes=codes)
