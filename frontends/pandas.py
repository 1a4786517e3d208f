"""pandas frames: to Arrow, and back into the dtypes of the frame that trained the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import SignatureError
from .values import missing_is_none, objects_like

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def columns_of_none(like: Any, names: Sequence[str]) -> frozenset[str]:
    """Find the object columns in which None stands for missing: to scikit-learn it is a value."""
    objects = [name for name in names if like[name].dtype == np.dtype(object)]
    return frozenset(name for name in objects if missing_is_none(like[name], name))


def read_pandas(like: Any) -> tuple[pa.Table, Callable[[pa.Table], Any]]:
    """Give a DataFrame as Arrow, and a function that makes such DataFrames from Arrow."""
    for name in like.columns:
        if not isinstance(name, str):
            message = (
                f"Column {name!r} has a name that is no text, and SQL finds columns by name. "
                "Rename the columns (df.columns = df.columns.astype(str)) and fit again."
            )
            raise SignatureError(message)
    columns = [
        to_arrow(like[name], name) if (like.columns == name).sum() == 1 else None
        for name in like.columns
    ]
    if any(column is None for column in columns):
        twice = like.columns[like.columns.duplicated()].tolist()
        message = f"Columns {twice} occur more than once; give each its own name."
        raise SignatureError(message)
    table = pa.table(columns, names=list(like.columns))

    def rebuild(made: pa.Table) -> Any:
        import pandas as pd

        series = {name: _series(made.column(name), like[name]) for name in made.column_names}
        return pd.DataFrame(series)

    return table, rebuild


def to_arrow(series: Any, name: str) -> pa.Array:
    """Give a column, or an array, as Arrow."""
    try:
        column = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        message = (
            f"Column {name!r} holds values of several types: {error}. Give it one type before "
            "training, for example df[c].astype(str)."
        )
        raise SignatureError(message) from error
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _series(values: pa.ChunkedArray, like: Any) -> Any:
    """Make a column of ``like``'s dtype; where NULLs do not fit it, of the dtype they force."""
    import pandas as pd

    dtype = _widened(like.dtype)
    plain = values.to_pylist()
    if isinstance(dtype, pd.CategoricalDtype):
        levels = list(dtype.categories)
        surplus = dict.fromkeys(v for v in plain if v is not None and v not in set(levels))
        return pd.Series(pd.Categorical(plain, [*levels, *surplus], ordered=dtype.ordered))
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        # A float32 training column is asked in float64: that is what SQL's DOUBLE holds.
        if values.null_count or dtype.kind == "f":
            return pd.Series(values.to_numpy().astype(np.float64))
        return pd.Series(values.to_numpy()).astype(np.int64 if dtype.kind in "iu" else dtype)
    if dtype == np.dtype(object):
        return pd.Series(objects_like(plain, list(like)), dtype=object)
    return pd.Series(plain).astype(dtype)


def _widened(dtype: Any) -> Any:
    """Give the 64 bits that SQL's numbers have to the narrow types of pandas' own and Arrow's."""
    import pandas as pd

    if isinstance(dtype, np.dtype) or dtype.kind not in "iuf":
        return dtype
    if isinstance(dtype, pd.ArrowDtype):
        return pd.ArrowDtype(pa.float64() if dtype.kind == "f" else pa.int64())
    return pd.Float64Dtype() if dtype.kind == "f" else pd.Int64Dtype()
