"""The closed union of steps. A backend matches on it; adding one means adding it everywhere.

Every step reads columns by name and writes new ones: no column is written twice. All derived
columns are float64 with NaN for missing, except those of :class:`Impute` on a key column, which
keep its type.
"""

from __future__ import annotations

import math
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
    """What :class:`Elementwise` computes from a column.

    Those that begin with ``numpy_`` are numpy's vectorised versions, whose last bit differs from
    the C library's, for the models that call numpy. Those that begin with ``float32`` round to
    float32, each operation on its own; ``FLOAT32`` alone does nothing else.
    """

    SIGMOID = "sigmoid"
    EXP = "exp"
    SIGNED_SQUARE = "signed_square"
    LOG1P_EXP = "log1p_exp"
    ABSOLUTE = "absolute"
    SQUARE = "square"
    SQRT = "sqrt"
    NUMPY_EXP = "numpy_exp"
    NUMPY_EXPM1 = "numpy_expm1"
    NUMPY_EXP2 = "numpy_exp2"
    NUMPY_LOG = "numpy_log"
    NUMPY_LOG1P = "numpy_log1p"
    NUMPY_LOG2 = "numpy_log2"
    NUMPY_LOG10 = "numpy_log10"
    FLOAT32 = "float32"
    FLOAT32_EXP = "float32_exp"
    FLOAT32_SIGMOID = "float32_sigmoid"


class Cell(StrEnum):
    """As what a model that is kept whole gets a column.

    Numbers are float64. Integers are int64, and float64 where one is missing; so are truths.
    A missing text is NaN, as in most frames of pandas, or None.
    """

    NUMBER = "number"
    INTEGER = "integer"
    TRUTH = "truth"
    TEXT = "text"
    TEXT_OR_NONE = "text_or_none"


class Norm(StrEnum):
    """By what :class:`Normalize` divides a row."""

    SUM = "sum"
    LARGEST = "largest"
    ABSOLUTE_SUM = "absolute_sum"


class Precision(StrEnum):
    """In which floating-point format a library computes."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


@dataclass(frozen=True, slots=True, eq=False)
class Require:
    """Refuse rows that the library refuses: ``where`` names the estimator that does.

    Finite values beyond ``largest`` in either direction are refused too: a library that casts to
    float32 takes them for infinite.
    """

    inputs: tuple[str, ...]
    where: str
    missing: bool
    infinite: bool
    largest: float = math.inf


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
class Product:
    """Multiply columns in pairs: output ``j`` is input ``j`` times input ``len(outputs) + j``."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Normalize:
    """Divide the inputs by a norm of the row, whose terms are added in the order of the inputs.

    Where the sum is 0, ``Norm.SUM`` gives every output an equal share of 1; where another norm is
    below 10 times the distance from 1 to the next number, it is taken as 1, as scikit-learn does.
    ``Norm.LARGEST`` is the largest absolute value.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    norm: Norm


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
class Interpolate:
    """A straight line from each point ``(xs, ys)`` to the next, level beyond both ends.

    From the last point ``i`` at or below ``x``, that is ``slope * (x - xs[i]) + ys[i]``, where
    ``slope`` is ``(ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])``; NaN stays. Source: ``numpy.interp``.
    """

    inputs: tuple[str]
    outputs: tuple[str]
    xs: NDArray[np.float64]
    ys: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """Exponentials of the inputs, less their largest, over their sum.

    In float32 each operation is rounded, but for the sum, which is rounded once.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    precision: Precision = Precision.FLOAT64


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


@dataclass(frozen=True, slots=True, eq=False)
class Onnx:
    """Run an ONNX graph by onnxruntime, in padded blocks of 64 rows.

    The last row of a block is repeated until it is full. ``file`` is uint8[bytes], an ONNX file. It
    has one input of [rows, columns], or an input a column, in their order; numbers are cast to an
    input's type as numpy casts, from int64 where cells are integers, else from float64.
    ``answers`` names outputs of the graph, whose columns, side by side, are the step's. With
    ``labels`` the first answer is a label, given as its index. Each operator is run as it is
    written: onnxruntime optimises nothing, on one thread.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cells: tuple[Cell, ...]
    file: NDArray[np.uint8]
    answers: tuple[str, ...]
    labels: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Skops:
    """Ask a scikit-learn estimator itself, in blocks of 256 rows, padded as in :class:`Onnx`.

    ``file`` is uint8[bytes], what ``skops.io.dumps`` wrote; ``types`` are the types and functions
    in it that skops trusts only when told to. ``release`` is scikit-learn's, and no other reads
    it. The estimator gets a DataFrame of the inputs where ``named``, else a matrix. The columns of
    what ``methods`` give, side by side, are the step's. With ``labels`` the first of them gives a
    label, which becomes its index.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cells: tuple[Cell, ...]
    named: bool
    file: NDArray[np.uint8]
    types: tuple[str, ...]
    release: str
    methods: tuple[str, ...]
    labels: tuple[Scalar, ...]


Whole: TypeAlias = Onnx | Skops
"""Models that are kept as they are; they read columns of the signature only."""

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
    | Product
    | Normalize
    | Forest
    | Elementwise
    | Interpolate
    | Softmax
    | Argmax
    | Exceeds
    | Onnx
    | Skops
)


def outputs_of(step: Step) -> tuple[str, ...]:
    """Name the columns that a step writes."""
    return () if isinstance(step, Require) else step.outputs
