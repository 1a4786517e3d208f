"""Training frames of pandas, polars, Arrow and numpy: signatures, and frames made like them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SignatureError
from ..ir import Column, ColumnType, Signature
from .values import missing_is_none, objects_like

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..ir import Scalar

CANONICAL: Mapping[ColumnType, pa.DataType] = {
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.VARCHAR: pa.string(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}
"""The Arrow type of each column type."""


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What a model was trained on, as far as scoring and proving it needs to know.

    Attributes
    ----------
    signature
        The columns that the estimator was given, in its order.
    table
        The rows, in the signature's types.
    rebuild
        Makes a frame of the library's own kind and dtypes from a table like :attr:`table`, so
        that the library can be asked about rows that we made up.
    none_columns
        Columns in which None, not NaN, stands for missing; scikit-learn tells them apart.
    is_arrow
        Whether LightGBM reads such frames as Arrow, and not as an array.
    """

    signature: Signature
    table: pa.Table
    rebuild: Callable[[pa.Table], Any]
    none_columns: frozenset[str] = frozenset()
    is_arrow: bool = False

    @classmethod
    def of(cls, like: object, estimator: object | None = None) -> Training:
        """Read a frame; with an estimator, only the columns that it was trained on.

        Raises
        ------
        SignatureError
            If the frame is of an unknown kind, lacks a column, or has one of an unusable type.
        """
        table, rebuild = read_frame(like)
        table = table.select(pick_columns(table.column_names, estimator))
        columns = [_column(name, table.column(name)) for name in table.column_names]
        canonical = [
            _canonical(column, table.column(column.name).combine_chunks()) for column in columns
        ]
        return cls(
            Signature(tuple(columns)),
            pa.table(canonical, names=[column.name for column in columns]),
            rebuild,
            _none_columns(like, columns),
            type(like).__module__.split(".")[0] in {"polars", "pyarrow"},
        )

    def only(self, names: Sequence[str]) -> Training:
        """Keep the columns that a model reads; the library is shown the first row's others."""
        columns = tuple(self.signature[name] for name in names)
        whole = self.table

        def rebuild(made: pa.Table) -> Any:
            arrays = [
                made.column(name) if name in names else _constant(whole.column(name), len(made))
                for name in whole.column_names
            ]
            return self.rebuild(pa.table(arrays, names=whole.column_names))

        return replace(
            self,
            signature=Signature(columns),
            table=self.table.select(list(names)),
            rebuild=rebuild,
        )


def _constant(column: pa.ChunkedArray, rows: int) -> pa.Array:
    """Repeat a column's first value."""
    return pa.repeat(column[0], rows) if len(column) else pa.nulls(rows, column.type)


def read_frame(like: Any) -> tuple[pa.Table, Callable[[pa.Table], Any]]:
    """Give a frame as Arrow, and the function that makes such frames from Arrow."""
    kind = type(like).__module__.split(".")[0], type(like).__name__
    match kind:
        case ("pandas", "DataFrame"):
            from .pandas import read_pandas

            return read_pandas(like)
        case ("polars", "DataFrame"):
            return like.to_arrow(), lambda table: _as_polars(table, like)
        case ("pyarrow", "Table" | "RecordBatch"):
            table = pa.table(like)
            return table, lambda made: _as_arrow(made, table.schema)
        case ("numpy", "ndarray") if like.ndim == 2:  # noqa: PLR2004 - rows and columns
            from .pandas import to_arrow

            names = [f"x{index}" for index in range(like.shape[1])]
            pairs = zip(names, like.T, strict=True)
            table = pa.table([to_arrow(column, name) for name, column in pairs], names=names)
            return table, lambda made: _as_numpy(made, like)
        case _:
            message = (
                f"A training frame of type {'.'.join(kind)} is not known. Give a pandas or polars "
                "DataFrame, a pyarrow Table, or a two-dimensional numpy array, with the columns "
                "that the model was trained on."
            )
            raise SignatureError(message)


def _none_columns(like: Any, columns: Sequence[Column]) -> frozenset[str]:
    names = [column.name for column in columns]
    match type(like).__module__.split(".")[0]:
        case "pandas":
            from .pandas import columns_of_none

            return columns_of_none(like, names)
        case "numpy":
            objects = zip(names, like.T, strict=True) if like.dtype == np.dtype(object) else ()
            return frozenset(name for name, column in objects if missing_is_none(column, name))
        case _:
            # As an array, a number of polars and Arrow that is missing is NaN, all else None.
            numbers = {ColumnType.DOUBLE, ColumnType.BIGINT}
            return frozenset(column.name for column in columns if column.type not in numbers)


def pick_columns(names: Sequence[str], estimator: Any) -> list[str]:
    """Pick the columns that the estimator was trained on, in its order."""
    duplicates = {name for name in names if list(names).count(name) > 1} if names else set()
    if duplicates:
        message = f"Columns {sorted(duplicates)} occur more than once; give each its own name."
        raise SignatureError(message)
    trained = _trained_names(estimator)
    # LightGBM writes a space in a name as an underscore.
    by_name = {name.replace(" ", "_"): name for name in names} | {name: name for name in names}
    if trained is not None and all(name in by_name for name in trained):
        return [by_name[name] for name in trained]
    count = getattr(estimator, "n_features_in_", None) or (len(trained) if trained else len(names))
    # LightGBM and CatBoost number the columns of an array.
    unnamed = trained is None or all(
        name in {f"Column_{index}", str(index)} for index, name in enumerate(trained)
    )
    if unnamed and count == len(names):
        return list(names)
    if unnamed:
        message = f"The model was trained on {count} columns, and the frame has {len(names)}."
    else:
        lacking = [name for name in trained or () if name not in by_name]
        message = (
            f"The model was trained on columns that the frame does not have: {lacking[:10]}. "
            f"The frame has {list(names)[:20]}."
        )
    raise SignatureError(message + " Give the frame, or a part of it, that was passed to fit.")


def _trained_names(estimator: Any) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        # LightGBM's Booster has a method, XGBoost's an attribute, CatBoost a property.
        names = getattr(estimator, "feature_name", None)
        names: Any = names() if callable(names) else getattr(estimator, "feature_names", None)
        names = getattr(estimator, "feature_names_", None) if names is None else names
    return None if names is None else [str(name) for name in list[Any](names)]


def _column(name: str, values: pa.ChunkedArray) -> Column:
    categories: tuple[Scalar, ...] | None = None
    arrow_type = values.type
    if pa.types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
        column_type = _column_type(name, arrow_type)
        levels = values.combine_chunks().dictionary
        categories = tuple(levels.cast(CANONICAL[column_type]).to_pylist())
    else:
        column_type = _column_type(name, arrow_type)
    nullable = values.null_count > 0
    if pa.types.is_floating(arrow_type) and not nullable and categories is None:
        nullable = bool(pc.any(pc.is_nan(values)).as_py())
    return Column(name, column_type, nullable, categories)


def _column_type(name: str, arrow_type: pa.DataType) -> ColumnType:
    types = pa.types
    if types.is_boolean(arrow_type):
        return ColumnType.BOOLEAN
    if types.is_integer(arrow_type):
        return ColumnType.BIGINT
    if types.is_floating(arrow_type) or types.is_decimal(arrow_type) or types.is_null(arrow_type):
        return ColumnType.DOUBLE
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return ColumnType.VARCHAR
    if types.is_string_view(arrow_type):
        return ColumnType.VARCHAR
    if types.is_date(arrow_type) or (types.is_timestamp(arrow_type) and arrow_type.tz is None):
        return ColumnType.TIMESTAMP
    message = (
        f"Column {name!r} is {arrow_type}, which no model can read. Turn it into numbers, text, "
        "booleans or times without a time zone before training."
    )
    raise SignatureError(message)


def _canonical(column: Column, values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_decimal(values.type):
        # Arrow's own cast from decimal is not correctly rounded; reading its text is.
        values = values.cast(pa.string())
    if column.type is ColumnType.DOUBLE and pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    try:
        return values.cast(CANONICAL[column.type])
    except pa.ArrowInvalid as error:
        message = f"Column {column.name!r} does not fit {column.type}: {error}"
        raise SignatureError(message) from error


def _as_polars(table: pa.Table, like: Any) -> Any:
    import polars as pl

    frame = pl.DataFrame(table)
    # Numbers keep SQL's 64 bits, and text is not held to the levels of an Enum.
    times: dict[Any, Any] = {
        name: like.schema[name] for name in frame.columns if like.schema[name].is_temporal()
    }
    return frame.cast(times, strict=False)


def _as_arrow(table: pa.Table, schema: pa.Schema) -> pa.Table:
    # Numbers keep SQL's 64 bits, and text is not held to the levels of a dictionary.
    kinds = (schema.field(name).type for name in table.column_names)
    columns = [
        column.cast(kind, safe=False) if pa.types.is_temporal(kind) else column
        for column, kind in zip(table.columns, kinds, strict=True)
    ]
    return pa.table([column.combine_chunks() for column in columns], names=table.column_names)


def _as_numpy(table: pa.Table, like: np.ndarray) -> np.ndarray:
    columns = [column.to_numpy() for column in table.columns]
    if like.dtype == np.dtype(object):
        plain = (column.to_pylist() for column in table.columns)
        columns = [
            np.array(objects_like(values, old), object)
            for values, old in zip(plain, like.T, strict=True)
        ]
    elif like.dtype == np.dtype(bool) and any(column.null_count for column in table.columns):
        columns = [column.cast(pa.float64()).to_numpy() for column in table.columns]
    return np.stack(columns, axis=1)
