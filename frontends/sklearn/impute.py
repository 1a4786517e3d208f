"""``sklearn.impute``: gaps filled by statistics or by regressions, and flags for them."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import ColumnType
from ...ir import steps as s
from ..convert import require_fitted
from ..sklearn_iterative import impute_in_turns
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


def convert_iterative_imputer(imputer: Any, inputs: Names, graph: Graph) -> Names:
    """Fill gaps by the first imputer, then by each fitted regression on the other columns.

    A row without any value is answered as the library answers it among other rows; in a batch of
    such rows only, it gives the first guesses.
    """
    first = require_fitted(imputer, "initial_imputer_", graph)
    if imputer.sample_posterior:
        raise graph.refuse(
            "sample_posterior=True draws its answers at random", "fit with sample_posterior=False"
        )
    if imputer.keep_empty_features:
        raise graph.refuse(
            "with keep_empty_features=True the library writes into the data that it is given, and "
            "fails where it may not",
            "leave out the columns that have no value, or fit with keep_empty_features=False",
        )
    graph.require_numbers(inputs)
    outputs = convert_simple_imputer(first, inputs, graph)
    marked = _mark_missing(first, inputs, graph)
    if imputer.n_iter_ > 0:
        columns = tuple(marked[index] for index in _filled_positions(imputer))
        outputs = impute_in_turns(imputer, columns, outputs, graph)
    if imputer.add_indicator:
        flagged = tuple(marked[index] for index in imputer.indicator_.features_)
        outputs += graph.columnwise(flagged, "is_missing", s.IsMissing) if flagged else ()
    return outputs


def _filled_positions(imputer: Any) -> list[int]:
    """List the columns that had a value in training: the others are left out."""
    return np.flatnonzero(~imputer._is_empty_feature).tolist()  # noqa: SLF001 - no public one


def refuse_imputer(imputer: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse the imputer that fills a gap from the nearest training rows."""
    raise graph.refuse(
        "it compares rows by a matrix product, whose last bits decide which of two nearly equally "
        "near rows fills a gap",
        "use SimpleImputer(add_indicator=True), or keep the model whole with opaque=True",
    )


TRANSFORMERS = {
    "IterativeImputer": convert_iterative_imputer,
    "KNNImputer": refuse_imputer,
    "MissingIndicator": convert_missing_indicator,
    "SimpleImputer": convert_simple_imputer,
}
