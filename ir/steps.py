"""The closed union of steps. A backend matches on it; adding one means adding it everywhere.

Every step reads columns by name and writes new ones: no column is written twice. All derived
columns are float64 with NaN for missing, except those of :class:`Impute` on a key column, which
keep its type.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .signature import Scalar
    from .trees import Trees


class Operator(StrEnum):
    """What :class:`Arithmetic` does with a column ``x`` and its operand ``c``."""

    ADD = "add"
    SUBTRACT = "subtract"
    SUBTRACT_FROM = "subtract_from"
    MULTIPLY = "multiply"
    DIVIDE = "divide"


class Function(StrEnum):
    """What :class:`Elementwise` computes from a column."""

    SIGMOID = "sigmoid"
    EXP = "exp"
    SIGNED_SQUARE = "signed_square"
    LOG1P_EXP = "log1p_exp"


class Precision(StrEnum):
    """In which floating-point format a library adds up its trees."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


@dataclass(frozen=True, slots=True, eq=False)
class Require:
    """Refuse rows that the library refuses: ``where`` names the estimator that does."""

    inputs: tuple[str, ...]
    where: str
    missing: bool
    infinite: bool


@dataclass(frozen=True, slots=True, eq=False)
class NullIf:
    """Make values in ``[low, high]`` missing."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Impute:
    """Put ``fills`` in place of missing values."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fills: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class IsMissing:
    """1 where the input is missing, else 0."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic:
    """Apply one float64 operation between each column and its own operand."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operator: Operator
    operands: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Bring values into ``[low, high]``; NaN stays."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Replace a key by its number.

    ``missing`` and ``unknown`` are the numbers for NULL and for a value that is no key; where one
    is None, such a row is refused in the words of ``where``, as the library does.
    """

    inputs: tuple[str]
    outputs: tuple[str]
    where: str
    keys: tuple[Scalar, ...]
    values: NDArray[np.float64]
    missing: float | None
    unknown: float | None


@dataclass(frozen=True, slots=True, eq=False)
class OneHot:
    """Spread a code over columns: output ``j`` is 1 where the input equals ``codes[j]``, else 0."""

    inputs: tuple[str]
    outputs: tuple[str, ...]
    codes: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Dot:
    """Weighted sums: ``weights`` is float64[inputs, outputs], ``intercepts`` float64[outputs].

    Terms are added in the order of the inputs and the intercept last, one rounding each, so a row
    gets the same bits alone, in any batch, and in SQL.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Add the leaves of all trees to ``start``, in the order of the trees.

    ``start`` is float64[outputs]. Each sum is rounded to ``precision`` after every tree.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    trees: Trees
    start: NDArray[np.float64]
    precision: Precision


@dataclass(frozen=True, slots=True, eq=False)
class Elementwise:
    """Apply a named function to each column."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Function


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """Exponentials of the inputs, less their largest, over their sum."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Argmax:
    """The index of the largest input; the first of equals."""

    inputs: tuple[str, ...]
    outputs: tuple[str]


@dataclass(frozen=True, slots=True, eq=False)
class Exceeds:
    """1 where the input is greater than the threshold, else 0."""

    inputs: tuple[str]
    outputs: tuple[str]
    threshold: float


Step: TypeAlias = (
    Require
    | NullIf
    | Impute
    | IsMissing
    | Arithmetic
    | Clip
    | Lookup
    | OneHot
    | Dot
    | Forest
    | Elementwise
    | Softmax
    | Argmax
    | Exceeds
)


def outputs_of(step: Step) -> tuple[str, ...]:
    """Name the columns that a step writes."""
    return () if isinstance(step, Require) else step.outputs
