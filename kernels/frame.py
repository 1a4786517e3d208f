"""Rows as numpy arrays: numbers as float64, keys as small integers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ..ir import ColumnType
from ..ir import steps as s

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from ..ir import Model, Scalar

_NONE: Mapping[str, ColumnType] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The values of a key column that a model tells apart.

    A key's code is its position here; ``missing`` and ``unknown`` are the two codes after them.
    """

    keys: tuple[Scalar, ...]
    type: ColumnType

    @property
    def missing(self) -> int:
        """The code of NULL."""
        return len(self.keys)

    @property
    def unknown(self) -> int:
        """The code of every value that is no key."""
        return len(self.keys) + 1


class Cell(Protocol):
    """A value as an engine gave it."""

    def as_py(self) -> object:
        """Give it as Python prints it, None for NULL."""
        ...


class SourceColumn(Protocol):
    """A column as an engine gave it, from which messages quote: an Arrow array is one."""

    def __getitem__(self, row: int, /) -> Cell: ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One batch of rows, decoded as a model's signature says.

    ``numbers`` holds float64[rows] a number column, NaN for NULL; ``codes`` holds intp[rows] a key
    column; ``source`` is the batch itself, from which error messages quote. ``as_is`` holds the
    columns of it that a step reads, whose codes or float64 values do not tell all values apart.
    """

    rows: int
    numbers: Mapping[str, NDArray[np.float64]]
    codes: Mapping[str, NDArray[np.intp]]
    vocabularies: Mapping[str, Vocabulary]
    source: Mapping[str, SourceColumn]
    as_is: Mapping[str, ColumnType] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a model reads its columns: which as numbers, and which as keys."""

    numbers: tuple[str, ...]
    vocabularies: Mapping[str, Vocabulary]
    as_is: Mapping[str, ColumnType] = field(default_factory=lambda: _NONE)

    @classmethod
    def of(cls, model: Model) -> Self:
        """Find which columns a model reads as numbers and which as keys."""
        vocabularies = _vocabularies(model)
        numbers = [c.name for c in model.signature.columns if c.type.is_number]
        return cls(
            tuple(n for n in numbers if _read_as_number(model, n)), vocabularies, _as_is(model)
        )


def _vocabularies(model: Model) -> dict[str, Vocabulary]:
    """Collect, for each key column of the signature, every key that any step looks for in it."""
    keys: dict[str, dict[Scalar, None]] = {
        name: {} for name in model.signature.names if model.is_key(name)
    }
    root = {name: name for name in keys}
    for step in model.steps:
        match step:
            case s.Lookup() if step.inputs[0] in root:
                keys[root[step.inputs[0]]].update(dict.fromkeys(step.keys))
            case s.Impute():
                for name, output, fill in zip(step.inputs, step.outputs, step.fills, strict=True):
                    if name in root and not isinstance(fill, float):
                        root[output] = root[name]
                        keys[root[name]][fill] = None
            case _:
                continue
    return {n: Vocabulary(tuple(k), model.signature[n].type) for n, k in keys.items()}


def _as_is(model: Model) -> dict[str, ColumnType]:
    """Find the integers and texts that a model which is kept whole is given as they are."""
    return {
        name: model.signature[name].type
        for step in model.steps
        if isinstance(step, s.Whole)
        for name, cell in zip(step.inputs, step.cells, strict=True)
        if cell not in {s.Cell.NUMBER, s.Cell.TRUTH}
    }


def _read_as_number(model: Model, name: str) -> bool:
    """Whether any step reads the column as a number (it may be read as a key too)."""
    if not model.is_key(name):
        return True
    for step in model.steps:
        if name not in step.inputs or isinstance(step, s.Require | s.IsMissing | s.Lookup):
            continue
        if not isinstance(step, s.Impute) or isinstance(step.fills[step.inputs.index(name)], float):
            return True
    return False
