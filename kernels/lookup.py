"""Look keys up: categories to numbers, and numbers to one-hot columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ScoringError
from .columns import Indicators, Keys, as_numbers
from .refusals import key_message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.steps import Lookup, OneHot
    from .columns import Values
    from .frame import Vocabulary


class Matcher:
    """Finds numbers in a list of float64 keys; -0.0 and 0.0 are one key, NaN is none."""

    def __init__(self, keys: NDArray[np.float64]) -> None:
        """Sort the keys once."""
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def positions(self, numbers: NDArray[np.float64]) -> NDArray[np.intp]:
        """Give each number's position among the keys, or their count where there is none."""
        count = len(self._sorted)
        if not count:
            return np.zeros(len(numbers), np.intp)
        nearest = np.searchsorted(self._sorted, numbers)
        nearest[nearest == count] = 0
        return np.where(self._sorted[nearest] == numbers, self._order[nearest], count)


class LookupKernel:
    """Runs a lookup: positions among the keys, then one table.

    The table's last two entries are the answers for an unknown and for a missing value.
    """

    def __init__(self, step: Lookup) -> None:
        """Build the table."""
        self._step = step
        nan = float("nan")
        missing = nan if step.missing is None else step.missing
        unknown = nan if step.unknown is None else step.unknown
        self._table = np.concatenate([step.values, [unknown, missing]])
        self._positions = {key: index for index, key in enumerate(step.keys)}
        is_number = bool(step.keys) and isinstance(step.keys[0], float)
        self._matcher = Matcher(np.array(step.keys if is_number else (), np.float64))
        self._translations: dict[Vocabulary, NDArray[np.intp]] = {}

    def run(self, values: Values) -> None:
        """Write the number of each row's key."""
        step = self._step
        name = step.inputs[0]
        column = values.get(name)
        unknown = len(step.keys)
        if isinstance(column, Keys):
            found = self._translation(column.vocabulary)[column.codes]
            name = column.name
        else:
            numbers = as_numbers(column)
            found = self._matcher.positions(numbers)
            found[np.isnan(numbers)] = unknown + 1
        if step.unknown is None:
            self._refuse(found == unknown, name, values)
        if step.missing is None:
            self._refuse(found == unknown + 1, name, values)
        values.put(step.outputs[0], self._table[found])

    def _translation(self, vocabulary: Vocabulary) -> NDArray[np.intp]:
        """From a vocabulary's codes to positions among this step's keys."""
        translation = self._translations.get(vocabulary)
        if translation is None:
            unknown = len(self._step.keys)
            found = [self._positions.get(key, unknown) for key in vocabulary.keys]
            translation = np.array([*found, unknown + 1, unknown], np.intp)
            self._translations[vocabulary] = translation
        return translation

    def _refuse(self, rows: NDArray[np.bool_], name: str, values: Values) -> None:
        if rows.any():
            value = values.quote(name, int(np.argmax(rows)))
            raise ScoringError(key_message(self._step, values.source(name), value))


class OneHotKernel:
    """Runs a one-hot step. It keeps the codes: few steps need the columns themselves."""

    def __init__(self, step: OneHot) -> None:
        """Sort the codes."""
        self._step = step
        self._matcher = Matcher(step.codes)

    def run(self, values: Values) -> None:
        """Write the columns, as codes and a position each."""
        positions = self._matcher.positions(values.numbers(self._step.inputs[0]))
        for position, output in enumerate(self._step.outputs):
            values.put(output, Indicators(positions, position))
