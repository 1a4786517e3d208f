"""``sklearn.preprocessing``: scalers, and the tables of encoders and of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import require_fitted
from ..sklearn_encoders import (
    convert_one_hot_encoder,
    convert_ordinal_encoder,
    convert_target_encoder,
)
from ..sklearn_functions import (
    convert_binarizer,
    convert_discretizer,
    convert_polynomial_features,
)
from ..sklearn_numpy import convert_function_transformer
from ..sklearn_powers import convert_power_transformer
from ..sklearn_quantiles import convert_quantile_transformer
from ..sklearn_splines import convert_spline_transformer

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_standard_scaler(scaler: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the mean, then divide by the scale: two roundings, as the library does."""
    require_fitted(scaler, "n_features_in_", graph)
    graph.require_numbers(inputs)
    graph.require(inputs, missing=False, infinite=True)
    columns = inputs
    if scaler.with_mean:
        columns = graph.arithmetic(columns, Operator.SUBTRACT, scaler.mean_)
    if scaler.with_std and not graph.sparse.isdisjoint(inputs):
        # The values of a sparse matrix are multiplied by the reciprocal.
        columns = graph.arithmetic(columns, Operator.MULTIPLY, 1.0 / scaler.scale_)
    elif scaler.with_std:
        columns = graph.arithmetic(columns, Operator.DIVIDE, scaler.scale_)
    graph.follow_sparse(inputs, columns)
    return columns


def convert_robust_scaler(scaler: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the median, then divide by the range between the quantiles."""
    require_fitted(scaler, "n_features_in_", graph)
    _require_array(inputs, graph)
    columns = inputs
    if scaler.with_centering:
        columns = graph.arithmetic(columns, Operator.SUBTRACT, scaler.center_)
    if scaler.with_scaling:
        columns = graph.arithmetic(columns, Operator.DIVIDE, scaler.scale_)
    return columns


def convert_max_abs_scaler(scaler: Any, inputs: Names, graph: Graph) -> Names:
    """Divide by the largest absolute value; clip where it was asked for."""
    scale = require_fitted(scaler, "scale_", graph)
    _require_array(inputs, graph)
    columns = graph.arithmetic(inputs, Operator.DIVIDE, scale)
    if getattr(scaler, "clip", False):
        columns = _clip(columns, -1.0, 1.0, graph)
    return columns


def convert_min_max_scaler(scaler: Any, inputs: Names, graph: Graph) -> Names:
    """Multiply by the scale, then add the offset; clip where it was asked for."""
    scale = require_fitted(scaler, "scale_", graph)
    graph.require_numbers(inputs)
    graph.require(inputs, missing=False, infinite=True)
    columns = graph.arithmetic(inputs, Operator.MULTIPLY, scale)
    columns = graph.arithmetic(columns, Operator.ADD, scaler.min_)
    if scaler.clip:
        low, high = (float(bound) for bound in scaler.feature_range)
        columns = _clip(columns, low, high, graph)
    return columns


_NORMS = {"l1": s.Norm.ABSOLUTE_SUM, "l2": s.Norm.EUCLIDEAN, "max": s.Norm.LARGEST}


def convert_normalizer(normalizer: Any, inputs: Names, graph: Graph) -> Names:
    """Divide each row by its norm."""
    _require_array(inputs, graph, missing=True)
    norm = _NORMS[normalizer.norm]
    return graph.columnwise(
        inputs, "normalized", lambda read, written: s.Normalize(read, written, norm)
    )


def _require_array(inputs: Names, graph: Graph, *, missing: bool = False) -> None:
    """Refuse texts and sparse matrices, whose values the library multiplies by reciprocals."""
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=missing, infinite=True)


def _clip(columns: Names, low: float, high: float, graph: Graph) -> Names:
    return graph.columnwise(columns, "clip", lambda read, written: s.Clip(read, written, low, high))


TRANSFORMERS = {
    "Binarizer": convert_binarizer,
    "FunctionTransformer": convert_function_transformer,
    "KBinsDiscretizer": convert_discretizer,
    "MaxAbsScaler": convert_max_abs_scaler,
    "MinMaxScaler": convert_min_max_scaler,
    "Normalizer": convert_normalizer,
    "OneHotEncoder": convert_one_hot_encoder,
    "OrdinalEncoder": convert_ordinal_encoder,
    "PolynomialFeatures": convert_polynomial_features,
    "PowerTransformer": convert_power_transformer,
    "QuantileTransformer": convert_quantile_transformer,
    "RobustScaler": convert_robust_scaler,
    "SplineTransformer": convert_spline_transformer,
    "StandardScaler": convert_standard_scaler,
    "TargetEncoder": convert_target_encoder,
}
