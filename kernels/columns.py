"""What a column can be while steps run: numbers, keys, or one column of a one-hot spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .frame import Frame, SourceColumn, Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """Codes into a vocabulary; ``name`` is the source column, for messages."""

    codes: NDArray[np.intp]
    vocabulary: Vocabulary
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Indicators:
    """1 where a row's code is ``position``: one column of a one-hot spread, not yet written out."""

    codes: NDArray[np.intp]
    position: int


ColumnValues = np.ndarray | Keys | Indicators


class Values:
    """The columns of a running model, by name."""

    def __init__(self, frame: Frame) -> None:
        """Start from a frame's columns."""
        self.rows = frame.rows
        self._frame = frame
        self._columns: dict[str, ColumnValues] = {}

    def get(self, name: str) -> ColumnValues:
        """Give a column as it is; a source column that is read as a key comes as keys."""
        column = self._columns.get(name)
        if column is None:
            if name in self._frame.codes:
                return Keys(self._frame.codes[name], self._frame.vocabularies[name], name)
            return self._frame.numbers[name]
        return column

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Give a column as float64[rows]."""
        if name not in self._columns and name in self._frame.numbers:
            return self._frame.numbers[name]
        return as_numbers(self.get(name))

    def given(self, name: str) -> SourceColumn:
        """Give a column of the signature as it came."""
        return self._frame.source[name]

    def put(self, name: str, column: ColumnValues) -> None:
        """Write a column."""
        self._columns[name] = column

    def source(self, name: str) -> str:
        """Name the source column from which a column was made, for messages."""
        return source_of(self._frame.source, name)

    def quote(self, name: str, row: int) -> str:
        """Show the value of a source column in a message."""
        if name not in self._frame.source:
            return repr(float(self.numbers(name)[row]))
        found = self._frame.source[name][row].as_py()
        return "NULL" if found is None else repr(found)[:80]


def source_of(sources: Iterable[str], name: str) -> str:
    """Name the source column from which a column was made: it stands before a bar, or alone."""
    made_from = [each for each in sources if f"{name}|".startswith(f"{each}|")]
    return max(made_from, key=len, default=name)


def as_numbers(column: ColumnValues) -> NDArray[np.float64]:
    """Write a column out as float64[rows]."""
    if isinstance(column, Indicators):
        return (column.codes == column.position).astype(np.float64)
    if isinstance(column, Keys):
        message = f"Column {column.name!r} is a key and was read as a number."
        raise TypeError(message)
    return column


def as_missing(column: ColumnValues) -> NDArray[np.bool_]:
    """Say where a column is missing: bool[rows]."""
    if isinstance(column, Keys):
        return column.codes == column.vocabulary.missing
    return np.isnan(as_numbers(column))
