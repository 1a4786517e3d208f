"""Steps that refuse rows, as the library does, and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ScoringError
from .columns import Keys, as_missing, as_numbers
from .refusals import infinite_message, missing_message, range_message, size_message

if TYPE_CHECKING:
    from ..ir import steps as s
    from .columns import Values


def require(step: s.Require, values: Values) -> None:
    """Refuse missing, infinite or large values, where the step says so."""
    for name in step.inputs:
        column = values.get(name)
        if step.missing and as_missing(column).any():
            raise ScoringError(missing_message(step, values.source(name)))
        if step.infinite and not isinstance(column, Keys) and np.isinf(as_numbers(column)).any():
            raise ScoringError(infinite_message(step, values.source(name)))
        if step.largest < np.inf and not isinstance(column, Keys):
            _require_size(step, name, values)


def _require_size(step: s.Require, name: str, values: Values) -> None:
    """Refuse finite values that are too large; infinite ones are another question."""
    size = np.abs(values.numbers(name))
    too_large = (size > step.largest) & (size < np.inf)
    if too_large.any():
        source = values.source(name)
        value = values.quote(source, int(np.argmax(too_large)))
        raise ScoringError(size_message(step, source, value))


def require_range(step: s.RequireRange, values: Values) -> None:
    """Refuse numbers outside of the range; missing ones are another question."""
    for name in step.inputs:
        x = values.numbers(name)
        outside = (x < step.low) | (x > step.high)
        if outside.any():
            source = values.source(name)
            value = values.quote(source, int(np.argmax(outside)))
            raise ScoringError(range_message(step, source, value))
