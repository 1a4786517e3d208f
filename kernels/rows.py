"""Single rows of plain Python values, for online serving."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import SignatureError
from .native.row import RowProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .scorer import Scorer

_INTEGER_BITS = 63


class RowScorer:
    """Scores rows one at a time: a mapping by column name, or values in the signature's order.

    ``answers(row)`` gives predictions, probabilities and margins, one after the other. It raises a
    SignatureError where a column is missing or a value is of the wrong type, and a ScoringError
    where the library would refuse the row.
    """

    def __init__(self, scorer: Scorer) -> None:
        """Prepare the model for rows."""
        self._scorer = scorer
        self.names = scorer.model.signature.names
        self._types = [scorer.model.signature[name].type for name in self.names]
        pick = itemgetter(*self.names)
        self._pick: Callable[[Any], Sequence[Any]] = (
            pick if len(self.names) > 1 else lambda row: (pick(row),)
        )
        self._program = (
            RowProgram.of(scorer.program, scorer.decoder) if scorer.program is not None else None
        )
        quick = self._program.on_numbers(pick, self._of_any) if self._program else None
        self.answers: Callable[[Any], Sequence[float]] = quick or self._of_any

    def _of_any(self, row: Mapping[str, object] | Sequence[object]) -> Sequence[float]:
        values = self._values(row)
        answers = self._program.answers(values) if self._program is not None else None
        return self._by_arrow(values) if answers is None else answers

    def _values(self, row: Any) -> Sequence[Any]:
        if type(row) is dict or isinstance(row, Mapping):
            return self._named(row)
        if hasattr(
            row, "keys"
        ):  # a pandas Series, a row of sqlite3: names in an order of their own
            return self._named(dict(zip(row.keys(), row, strict=True)))
        if isinstance(row, str | bytes | bytearray | AbstractSet) or not hasattr(row, "__len__"):
            message = (
                f"A row is a mapping or a sequence of values, and this is a {type(row).__name__}."
            )
            raise SignatureError(message)
        if len(row) != len(self.names):
            message = f"The model reads {len(self.names)} columns, and the row has {len(row)}."
            raise SignatureError(message)
        return row

    def _named(self, row: Mapping[str, object]) -> Sequence[Any]:
        try:
            return self._pick(row)
        except KeyError as error:
            there = ", ".join(map(str, list(row)[:20]))
            message = f"Column {error.args[0]!r} is missing. There are: {there}."
            raise SignatureError(message) from error

    def _by_arrow(self, values: Sequence[Any]) -> list[float]:
        """Score a batch of one row; whatever is wrong with a value is said here."""
        columns = [_array(value) for value in values]
        scores = self._scorer.score(pa.RecordBatch.from_arrays(columns, names=list(self.names)))
        groups = (scores.prediction, scores.probabilities, scores.margins)
        return [float(answer) for group in groups for answer in group[0]]


def _array(value: object) -> pa.Array:
    # A single NaN is a missing value to a caller, whatever the column's type.
    is_missing = value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN
    try:
        if type(value) is int and value.bit_length() > _INTEGER_BITS:
            value = float(value)
        return pa.nulls(1) if is_missing else pa.array([value])
    except (pa.ArrowNotImplementedError, OverflowError, TypeError, ValueError) as error:
        message = f"{value!r} is no value of a column: {error}."
        raise SignatureError(message) from error
