"""The model under construction: converters add steps to it and name columns."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnsupportedModelError
from ..ir import ColumnType
from ..ir import steps as s

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import pyarrow as pa
    from numpy.typing import ArrayLike

    from ..ir import Signature
    from ..ir.steps import Operator

Names = tuple[str, ...]
"""Column names, in the order of the library's feature matrix."""


class Graph:
    """Steps in the order in which they run, and the type of every column so far.

    ``path`` names the estimator that is being converted, as ``pipeline.scale`` does, so that a
    refusal says where it happened. ``table`` holds the training rows, for libraries whose models
    know categories by hash alone; None where there are none. ``sparse`` holds the columns that
    reach the library in a sparse matrix, in which some estimators accept less than in an array.
    """

    def __init__(
        self,
        signature: Signature,
        none_columns: frozenset[str] = frozenset(),
        *,
        is_arrow: bool = False,
        table: pa.Table | None = None,
    ) -> None:
        """Start from the training columns; :class:`~.frames.Training` describes the options."""
        self.signature = signature
        self.table = table
        self.none_columns = none_columns
        self.is_arrow = is_arrow
        self.sparse: set[str] = set()
        self.steps: list[s.Step] = []
        self.types = {column.name: column.type for column in signature.columns}
        self._path: list[str] = []

    @property
    def path(self) -> str:
        """Where in the fitted object we are."""
        return ".".join(self._path)

    @contextmanager
    def inside(self, name: str) -> Generator[None]:
        """Enter a part of the fitted object."""
        self._path.append(name)
        try:
            yield
        finally:
            self._path.pop()

    def refuse(self, reason: str, way_out: str) -> UnsupportedModelError:
        """Make the error that refuses the current part."""
        return UnsupportedModelError(self.path or "model", reason, way_out)

    def add(self, step: s.Step, column_type: ColumnType = ColumnType.DOUBLE) -> Names:
        """Append a step and give its outputs."""
        self.steps.append(step)
        outputs = s.outputs_of(step)
        self.types.update(dict.fromkeys(outputs, column_type))
        return outputs

    def fresh(self, names: Sequence[str], suffix: str) -> Names:
        """Make column names that are not taken, after the columns that they come from."""
        made: list[str] = []
        taken = self.types.keys()
        for name in names:
            candidate = wanted = f"{name}|{suffix}"
            number = 1
            while candidate in taken or candidate in made:
                number += 1
                candidate = f"{wanted}{number}"
            made.append(candidate)
        return tuple(made)

    def numbered(self, prefix: str, count: int) -> Names:
        """Make ``count`` column names that are not taken."""
        return self.fresh([f"{prefix}{index}" for index in range(count)], "out")

    def label(self) -> tuple[str]:
        """Make a column name for the index of the predicted class."""
        return (self.fresh(["label"], "out")[0],)

    def arithmetic(self, inputs: Names, operator: Operator, operands: ArrayLike) -> Names:
        """Apply one operation a column; ``operands`` is one number or one a column."""
        values = np.broadcast_to(np.asarray(operands, np.float64), (len(inputs),)).copy()
        outputs = self.fresh(inputs, operator.value)
        return self.add(s.Arithmetic(inputs, outputs, operator, values))

    def columnwise(
        self, inputs: Names, suffix: str, make: Callable[[Names, Names], s.Step]
    ) -> Names:
        """Append a step that writes one column for each that it reads."""
        return self.add(make(inputs, self.fresh(inputs, suffix)))

    def require(
        self, inputs: Names, *, missing: bool, infinite: bool, largest: float = math.inf
    ) -> None:
        """Refuse, at scoring, the rows that the current estimator refuses."""
        if inputs:
            where = self.path.rsplit(".", 1)[-1]
            self.add(s.Require(inputs, where, missing, infinite, largest))

    def follow_sparse(self, inputs: Names, outputs: Sequence[str]) -> None:
        """Say that a transformer gives a sparse matrix where it was given one."""
        if not self.sparse.isdisjoint(inputs):
            self.sparse.update(outputs)

    def require_dense(self, inputs: Names) -> None:
        """Refuse, at conversion, columns that the library would read from a sparse matrix."""
        if not self.sparse.isdisjoint(inputs):
            raise self.refuse(
                "it is given a sparse matrix, with which the library computes otherwise",
                "fit with OneHotEncoder(sparse_output=False) or with "
                "ColumnTransformer(sparse_threshold=0)",
            )

    def require_numbers(self, inputs: Names) -> None:
        """Refuse, at conversion, key columns where the estimator computes with numbers."""
        for name in inputs:
            if not self.types[name].is_number:
                raise self.refuse(
                    f"column {name!r} is {self.types[name]}, not a number",
                    "encode the column (OneHotEncoder, OrdinalEncoder) before this step",
                )
