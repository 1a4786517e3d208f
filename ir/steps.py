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
    ``FLOAT32`` alone does nothing else. ``FMATH_EXP`` is the exponential of the library fmath,
    which CatBoost calls. ``SKLEARN_CONFIDENCE`` is ``x / (3 * (abs(x) + 1))``.
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
    NUMPY_POWER_OF_TWO = "numpy_power_of_two"
    SKLEARN_CONFIDENCE = "sklearn_confidence"
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
    FMATH_EXP = "fmath_exp"


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
    SUM_UNLESS_ZERO = "sum_unless_zero"
    SUM_OR_MISSING = "sum_or_missing"
    LARGEST = "largest"
    ABSOLUTE_SUM = "absolute_sum"
    EUCLIDEAN = "euclidean"


class Precision(StrEnum):
    """In which floating-point format a library computes."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class Kernel(StrEnum):
    """How alike a row ``x`` and a point ``p`` are, with its ``gamma``, ``constant`` and ``degree``.

    ``d`` is their Euclidean distance, a sum of squared differences; in ``EXPANDED_RBF`` its square
    is ``-2 x·p + x·x + p·p``, or 0 where that is negative.

    A product ``x·p`` that overflows stays infinite, whatever is added to it.

    - ``POLYNOMIAL``: ``(gamma x·p + constant) ** degree``
    - ``SIGMOID``: ``tanh(gamma x·p + constant)``
    - ``RBF`` and ``EXPANDED_RBF``: ``exp(-gamma d²)``
    - ``LAPLACIAN``: ``exp(-gamma |x - p|)``, a sum of absolute differences
    - ``EXPONENTIAL``: ``exp(-d)``
    - ``MATERN_3_2``: ``(1 + r) exp(-r)`` where ``r = sqrt(3) d``
    - ``MATERN_5_2``: ``(1 + r + r² / 3) exp(-r)`` where ``r = sqrt(5) d``
    - ``RATIONAL_QUADRATIC``: ``(1 + d² / gamma) ** -degree``
    - ``PERIODIC``: ``exp(-2 (sin(gamma d) / constant)²)``
    """

    POLYNOMIAL = "polynomial"
    SIGMOID = "sigmoid"
    RBF = "rbf"
    EXPANDED_RBF = "expanded_rbf"
    LAPLACIAN = "laplacian"
    EXPONENTIAL = "exponential"
    MATERN_3_2 = "matern_3_2"
    MATERN_5_2 = "matern_5_2"
    RATIONAL_QUADRATIC = "rational_quadratic"
    PERIODIC = "periodic"


class Metric(StrEnum):
    """How :class:`Neighbours` measures, adding in the order of the inputs."""

    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"
    CHEBYSHEV = "chebyshev"


class Weighting(StrEnum):
    """What a neighbour counts in :class:`Neighbours`: 1, or 1 over its distance.

    Where a neighbour's weight would be infinite, such neighbours count 1 and all others 0.
    """

    UNIFORM = "uniform"
    DISTANCE = "distance"


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
class LookupRow:
    """Replace several numbers by those that stand beside an equal row of keys.

    ``keys`` is float64[rows, inputs], each row once, and ``values`` is float64[rows, outputs].
    ``unknown``, float64[outputs], is for a row that is no key; one with NaN is none.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keys: NDArray[np.float64]
    values: NDArray[np.float64]
    unknown: NDArray[np.float64]


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
class Float32Dot:
    """Weighted sums in float32 of the inputs that are not missing; the arrays are :class:`Dot`'s.

    The intercept comes first, then the terms in the order of the inputs. Everything is rounded to
    float32: inputs, weights, intercepts, products and sums.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class KernelSum:
    """Weighted sums over stored points of how alike each is to the row.

    ``points`` is float64[points, inputs], ``weights`` float64[points, outputs], ``intercepts``
    float64[outputs]. How alike they are is the product of the ``kernels``, each to the power of
    its ``exponents``, less the point's ``centers``. Kernel ``f`` sees the row and the points
    divided by ``scales[f]``, float64[kernels, inputs]. Terms are added in the order of the points
    and the intercept last, one rounding each.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    centers: NDArray[np.float64]
    kernels: tuple[Kernel, ...]
    scales: NDArray[np.float64]
    gammas: NDArray[np.float64]
    constants: NDArray[np.float64]
    degrees: NDArray[np.float64]
    exponents: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Add what the ``count`` nearest points say, each times its weight.

    ``points`` is float64[points, inputs], ``values`` float64[points, outputs]. The sums are divided
    by the sum of the weights where ``mean`` is true; where it is false, a row whose neighbours all
    weigh nothing is refused in the words of ``where``.

    Equally near points are taken as scikit-learn's k-d tree takes them: ``order`` lists the points
    along the leaves of a tree whose nodes halve their part of it, ``levels`` times. Nodes are
    visited in depth, of two the one whose box is nearer first (the left one of equals), and a point
    replaces the farthest so far only where it is nearer. Points at an infinite distance are never
    taken: the first point stands in for those that are lacking.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    where: str
    points: NDArray[np.float64]
    values: NDArray[np.float64]
    order: NDArray[np.int64]
    levels: int
    count: int
    metric: Metric
    weighting: Weighting
    mean: bool


@dataclass(frozen=True, slots=True, eq=False)
class Couple:
    """Probabilities of the classes from those of each pair of them.

    The inputs say how likely the first class of a pair is, in the order (0, 1), (0, 2), …, (1, 2),
    …. Source: ``multiclass_probability`` of libsvm's svm.cpp, by the second method of Wu, Lin and
    Weng, Probability Estimates for Multi-class Classification by Pairwise Coupling (2004); it stops
    after as many iterations as there are classes, or 100 if there are fewer, or when no class is
    off by 0.005 over their number.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


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
class WeightedMedian:
    """The input at which the weights of the inputs, in ascending order, reach half of their sum.

    ``weights`` is float64[inputs]. Weights are added in the order of ``numpy.argsort``, and the
    last of these sums is what is halved. Source: ``AdaBoostRegressor`` of scikit-learn.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Normalize:
    """Divide the inputs by a norm of the row, whose terms are added in the order of the inputs.

    Where the sum is 0, ``Norm.SUM`` gives every output an equal share of 1, and
    ``Norm.SUM_UNLESS_ZERO`` leaves the row as it is, and ``Norm.SUM_OR_MISSING`` makes it missing.
    Where another norm is below 10 times the
    distance from 1 to the next number, it is taken as 1, as scikit-learn does.
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
class LinearForest:
    """Add to 0, in the order of the trees, a weighted sum of each tree's leaf, in float64.

    Leaf ``n`` gives ``constants[n]`` plus ``coefficients[t]`` times input ``term_input[t]`` for
    each ``t`` from ``term_start[n]`` up to ``term_start[n + 1]``, in this order, one rounding a
    product and one a sum. Where one of these inputs is missing, it gives ``trees.value[n]``.
    Inputs of at most ``zero`` in size enter these terms as 0.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    trees: Trees
    constants: NDArray[np.float64]
    term_start: NDArray[np.int64]
    term_input: NDArray[np.int32]
    coefficients: NDArray[np.float64]
    zero: float


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
    ``slope`` is ``(ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])``; NaN stays. A single point gives its
    value to every ``x``, NaN included. Source: ``numpy.interp``.
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

    In float32 each operation is rounded, but for the sum, which is rounded once. In float64
    ``exponential`` is ``Function.EXP`` or ``Function.FMATH_EXP``. The latter takes the inputs in
    fours, in which an exponential is never below the smallest normal number; one of the last, which
    make no four, is 0 instead.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    precision: Precision = Precision.FLOAT64
    exponential: Function = Function.EXP


@dataclass(frozen=True, slots=True, eq=False)
class LogSoftmax:
    """The inputs, less the logarithm of the sum of their exponentials, with numpy's functions.

    That logarithm is ``(log1p(rest / ties) + log(ties)) + largest``: ``ties`` inputs are equal to
    the largest, and ``rest`` is the sum of the exponentials of all others, less the largest before
    and added in their order. Source: ``_logsumexp`` in sklearn/utils/_array_api.py.
    """

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
    | RequireRange
    | NullIf
    | Impute
    | IsMissing
    | Coalesce
    | Arithmetic
    | Clip
    | Lookup
    | OneHot
    | LookupRow
    | Dot
    | Float32Dot
    | KernelSum
    | Neighbours
    | Couple
    | Product
    | Sum
    | WeightedMedian
    | Normalize
    | Forest
    | LinearForest
    | Elementwise
    | Interpolate
    | BSplines
    | Softmax
    | LogSoftmax
    | Argmax
    | Exceeds
    | Onnx
    | Skops
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
        case Dot() | KernelSum() | Onnx() | Skops():
            return True
        case Neighbours():
            return step.weighting is Weighting.DISTANCE and not step.mean
        case Normalize():
            many = len(step.inputs) >= _PAIRWISE_FROM
            return step.norm is Norm.EUCLIDEAN or (step.norm is Norm.ABSOLUTE_SUM and many)
        case _:
            return False
