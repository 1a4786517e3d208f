"""``sklearn.impute``: SimpleImputer and MissingIndicator; the others are refused."""

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
        if isinstance(statistics[index], str) and column_type is not ColumnType.VARCHAR:
            raise graph.refuse(
                f"it fills {name!r}, which is {column_type}, with the text {statistics[index]!r}",
                "use a SimpleImputer for the columns of text, and another for the rest",
            )
        fill = key_of(statistics[index], ColumnType.DOUBLE if is_number else column_type)
        step = s.Impute((name,), graph.fresh([name], "imputed"), (fill,))
        outputs += graph.add(step, ColumnType.DOUBLE if is_number else column_type)
    if imputer.add_indicator:
        flagged = tuple(columns[index] for index in imputer.indicator_.features_)
        if flagged:
            outputs += graph.columnwise(flagged, "is_missing", s.IsMissing)
    graph.follow_sparse(inputs, outputs)
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


def convert_missing_indicator(indicator: Any, inputs: Names, graph: Graph) -> Names:
    """1 where a column is missing; gaps in a column that had none in training may be refused."""
    features = require_fitted(indicator, "features_", graph).tolist()
    if not is_missing(indicator.missing_values):
        raise graph.refuse(
            f"missing_values={indicator.missing_values!r} has no translation",
            "replace the placeholder by NULL in the data and fit with missing_values=np.nan",
        )
    graph.require_numbers(inputs)
    graph.require(inputs, missing=False, infinite=True)
    if indicator.features == "missing-only" and indicator.error_on_new:
        others = [name for index, name in enumerate(inputs) if index not in features]
        graph.require(tuple(others), missing=True, infinite=False)
    flagged = tuple(inputs[index] for index in features)
    return graph.columnwise(flagged, "is_missing", s.IsMissing) if flagged else ()


def refuse_imputer(imputer: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse the imputers that fill a gap by a computation of their own for each row."""
    raise graph.refuse(_REFUSED[type(imputer).__name__], "use SimpleImputer(add_indicator=True)")


_REFUSED = {
    "IterativeImputer": (
        "it fills gaps by regressions in turns, each on the others' rounded results"
    ),
    "KNNImputer": (
        "it compares rows by a matrix product, whose last bits decide which of two nearly equally "
        "near rows fills a gap"
    ),
}

TRANSFORMERS = {
    **dict.fromkeys(_REFUSED, refuse_imputer),
    "MissingIndicator": convert_missing_indicator,
    "SimpleImputer": convert_simple_imputer,
}
