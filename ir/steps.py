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
    """What :class:`Arithmetic` does with a column ``x`` and its operand ``c``.

    ``MODULO`` is ``numpy.mod``: the remainder of ``x / c``, with the sign of ``c``. ``POWER`` is
    ``numpy.power``: ``x`` to the power of ``c``.
    """

    ADD = "add"
    SUBTRACT = "subtract"
    SUBTRACT_FROM = "subtract_from"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    MODULO = "modulo"
    POWER = "power"


class Function(StrEnum):
    """What :class:`Elementwise` computes from a column.

    Those that begin with ``numpy_`` are numpy's vectorised versions, whose last bit differs from
    the C library's, for the models that call numpy. Those that begin with ``scipy_`` are scipy's
    own. Those that begin with ``float32`` round to float32, each operation on its own;
    ``FLOAT32`` alone does nothing else.
    """

    SIGMOID = "sigmoid"
    EXP = "exp"
    EXPM1 = "expm1"
    LOG = "log"
    SIGNED_SQUARE = "signed_square"
    LOG1P_EXP = "log1p_exp"
    ABSOLUTE = "absolute"
    SQUARE = "square"
    SQRT = "sqrt"
    NEGATIVE = "negative"
    RECIPROCAL = "reciprocal"
    SIGN = "sign"
    FLOOR = "floor"
    CEIL = "ceil"
    RINT = "rint"
    TRUNC = "trunc"
    NUMPY_EXP = "numpy_exp"
    NUMPY_EXPM1 = "numpy_expm1"
    NUMPY_EXP2 = "numpy_exp2"
    NUMPY_LOG = "numpy_log"
    NUMPY_LOG1P = "numpy_log1p"
    NUMPY_LOG2 = "numpy_log2"
    NUMPY_LOG10 = "numpy_log10"
    NUMPY_CBRT = "numpy_cbrt"
    NUMPY_SIN = "numpy_sin"
    NUMPY_COS = "numpy_cos"
    NUMPY_TAN = "numpy_tan"
    NUMPY_ARCSIN = "numpy_arcsin"
    NUMPY_ARCCOS = "numpy_arccos"
    NUMPY_ARCTAN = "numpy_arctan"
    NUMPY_SINH = "numpy_sinh"
    NUMPY_COSH = "numpy_cosh"
    NUMPY_TANH = "numpy_tanh"
    NUMPY_ARCSINH = "numpy_arcsinh"
    NUMPY_ARCCOSH = "numpy_arccosh"
    NUMPY_ARCTANH = "numpy_arctanh"
    NUMPY_DEG2RAD = "numpy_deg2rad"
    NUMPY_RAD2DEG = "numpy_rad2deg"
    SCIPY_NDTRI = "scipy_ndtri"
    FLOAT32 = "float32"
    FLOAT32_EXP = "float32_exp"
    FLOAT32_SIGMOID = "float32_sigmoid"


class Norm(StrEnum):
    """By what :class:`Normalize` divides a row."""

    SUM = "sum"
    LARGEST = "largest"
    ABSOLUTE_SUM = "absolute_sum"
    EUCLIDEAN = "euclidean"


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
class RequireRange:
    """Refuse rows with a number outside of ``[low, high]``, as the estimator ``where`` does."""

    inputs: tuple[str, ...]
    where: str
    low: float
    high: float


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
class Coalesce:
    """Take the first of two columns that is there.

    Output ``j`` is input ``j`` or, where that is missing, input ``len(outputs) + j``.
    """

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
class Sum:
    """Add columns in groups of as many as there are outputs, from the first group to the last.

    Output ``j`` is input ``j`` plus input ``len(outputs) + j`` and so on, one rounding each.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Normalize:
    """Divide the inputs by a norm of the row, whose terms are added in the order of the inputs.

    Where the sum is 0, ``Norm.SUM`` gives every output an equal share of 1; where another norm is
    below 10 times the distance from 1 to the next number, it is taken as 1, as scikit-learn does.
    ``Norm.LARGEST`` is the largest absolute value, ``Norm.EUCLIDEAN`` the root of the sum of the
    squares.
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
class BSplines:
    """The B-splines on sorted ``knots`` at a number, one output each; NaN stays.

    Those that are not 0 between the knots around a number follow from de Boor's recursion. Beyond
    ``knots[degree]`` and ``knots[-degree - 1]`` the polynomials of the interval beside them go on.
    Source: ``scipy.interpolate.BSpline`` with a unit matrix of coefficients.
    """

    inputs: tuple[str]
    outputs: tuple[str, ...]
    knots: NDArray[np.float64]

    @property
    def degree(self) -> int:
        """The degree of the polynomials between two knots."""
        return len(self.knots) - len(self.outputs) - 1


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


Step: TypeAlias = (
    Require
    | RequireRange
    | NullIf
    | Impute
    | IsMissing
    | Coalesce
    | Arithmetic
    | Clip
    | Lookup
    | OneHot
    | Dot
    | Product
    | Sum
    | Normalize
    | Forest
    | Elementwise
    | Interpolate
    | BSplines
    | Softmax
    | Argmax
    | Exceeds
)


def outputs_of(step: Step) -> tuple[str, ...]:
    """Name the columns that a step writes."""
    return () if isinstance(step, Require | RequireRange) else step.outputs


_PAIRWISE_FROM = 8
"""numpy adds fewer terms than these one after the other."""


def adds_in_any_order(step: Step) -> bool:
    """Whether the library adds the terms in an order of its own, which decides the last bit.

    A BLAS does for dot products, and numpy for a row's squares and for 8 terms or more.
    """
    match step:
        case Dot():
            return True
        case Normalize():
            many = len(step.inputs) >= _PAIRWISE_FROM
            return step.norm is Norm.EUCLIDEAN or (step.norm is Norm.ABSOLUTE_SUM and many)
        case _:
            return False
