"""``sklearn.impute``: SimpleImputer."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import ColumnType
from ...ir import steps as s
from ..convert import require_fitted
from ..values import is_missing, key_of

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_simple_imputer(imputer: Any, inputs: Names, graph: Graph) -> Names:
    """Fill missing values with the fitted statistics, then append the missing indicators."""
    statistics = require_fitted(imputer, "statistics_", graph)
    columns = _mark_missing(imputer, inputs, graph)
    is_kept = [imputer.keep_empty_features or not is_missing(fill) for fill in statistics]
    outputs: list[str] = []
    for index in np.flatnonzero(is_kept).tolist():
        name = columns[index]
        column_type = graph.types[name]
        if name in graph.none_columns and _leaves_none(imputer):
            outputs.append(name)
            continue
        is_number = column_type.is_number
        fill = key_of(statistics[index], ColumnType.DOUBLE if is_number else column_type)
        step = s.Impute((name,), graph.fresh([name], "imputed"), (fill,))
        outputs += graph.add(step, ColumnType.DOUBLE if is_number else column_type)
    if imputer.add_indicator:
        flagged = tuple(columns[index] for index in imputer.indicator_.features_)
        if flagged:
            outputs += graph.columnwise(flagged, "is_missing", s.IsMissing)
    return tuple(outputs)


def _leaves_none(imputer: Any) -> bool:
    """Whether the placeholder is NaN among objects, where None is not NaN and stays as it is."""
    return _sees_objects(imputer) and isinstance(imputer.missing_values, float)


def _sees_objects(imputer: Any) -> bool:
    return imputer._fit_dtype.kind == "O"  # noqa: SLF001 - no public equivalent


def _mark_missing(imputer: Any, inputs: Names, graph: Graph) -> Names:
    """Make the imputer's placeholder missing, where it is not NaN, None or NA already."""
    numeric = tuple(name for name in inputs if graph.types[name].is_number)
    placeholder = imputer.missing_values
    if is_missing(placeholder):
        if not _sees_objects(imputer):
            graph.require(numeric, missing=False, infinite=True)
        return inputs
    if not isinstance(placeholder, numbers.Real) or len(numeric) != len(inputs):
        raise graph.refuse(
            f"missing_values={placeholder!r} on text columns has no translation",
            "replace the placeholder by NULL in the data and fit with missing_values=np.nan",
        )
    graph.require(inputs, missing=True, infinite=True)
    value = float(placeholder)
    return graph.columnwise(
        inputs, "null_if", lambda read, written: s.NullIf(read, written, value, value)
    )


TRANSFORMERS = {"SimpleImputer": convert_simple_imputer}
