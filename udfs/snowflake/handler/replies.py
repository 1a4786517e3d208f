"""What the functions answer: a column of pandas, in the types that their SQL declares.

Numbers inside an OBJECT or an ARRAY travel as JSON, which has no NaN and no infinity. They become
the texts NaN, inf and -inf, which a cast to FLOAT reads back.
Source: https://docs.snowflake.com/en/sql-reference/data-types-numeric (special values)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # only Snowflake, or a test of this file, imports it

from ....ir import ColumnType
from ...answers import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ....ir import Model
    from ....kernels.scores import Scores

_BINARY = 2
_LABELS = {
    ColumnType.BOOLEAN: np.bool_,
    ColumnType.BIGINT: np.int64,
    ColumnType.DOUBLE: np.float64,
    ColumnType.VARCHAR: np.object_,
}


def predictions(model: Model, scores: Scores, index: pd.Index) -> pd.Series:
    """Give what ``predict`` gives: values, labels, or an ARRAY a row."""
    prediction, classes = scores.prediction, model.outputs.classes
    if classes is not None:
        labels = np.array(classes, _LABELS[model.outputs.label_type])
        return pd.Series(labels[prediction[:, 0].astype(np.intp)], index)
    if prediction.shape[1] == 1:
        return pd.Series(np.ascontiguousarray(prediction[:, 0]), index)
    return objects(([_json(x) for x in row] for row in prediction.tolist()), index)


def probabilities(model: Model, scores: Scores, index: pd.Index) -> pd.Series:
    """Give the second class's probability, or an OBJECT from class to probability."""
    if scores.probabilities.shape[1] == _BINARY:
        return pd.Series(np.ascontiguousarray(scores.probabilities[:, 1]), index)
    return objects(named(labels_of(model), scores.probabilities), index)


def named(names: Sequence[str], rows: NDArray[np.float64]) -> Iterable[dict[str, float | str]]:
    """Give float64[rows, names] as an OBJECT a row."""
    finite = bool(np.isfinite(rows).all())
    for row in rows.tolist():
        values = row if finite else map(_json, row)
        yield dict(zip(names, values, strict=True))


def objects(values: Iterable[object], index: pd.Index) -> pd.Series:
    """Give a column of OBJECTs or ARRAYs."""
    cells = np.empty(len(index), np.object_)
    for row, value in enumerate(values):
        cells[row] = value
    return pd.Series(cells, index)


def _json(x: float) -> float | str:
    if math.isfinite(x):
        return x
    return "NaN" if math.isnan(x) else ("inf" if x > 0 else "-inf")
