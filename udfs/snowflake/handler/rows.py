"""A batch of Snowflake's as a frame of the kernel: by position, or packed into an OBJECT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # only Snowflake, or a test of this file, imports it

from ....errors import SignatureError
from ....ir import ColumnType
from ....kernels.frame import Frame, Reading
from .columns import read_codes, read_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....ir import Model


@dataclass(frozen=True, slots=True)
class _Cell:
    value: object

    def as_py(self) -> object:
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A column of pandas, from which messages quote."""

    column: pd.Series
    is_integer: bool

    def __getitem__(self, row: int) -> _Cell:
        value: Any = self.column.iloc[row]
        if pd.isna(value):
            return _Cell(None)
        value = value.item() if isinstance(value, np.generic) else value
        whole = self.is_integer and isinstance(value, float) and value.is_integer()
        return _Cell(int(value) if whole else value)


class RowReader:
    """Reads batches for one model; ``packed`` is how the function was declared."""

    def __init__(self, model: Model, *, packed: bool) -> None:
        """Note what each column is read as."""
        self._model = model
        self._reading = Reading.of(model)
        self._packed = packed

    def read(self, batch: pd.DataFrame) -> Frame:
        """Read the model's columns, which are the first of the batch.

        Raises
        ------
        SignatureError
            If a column is missing, or a value is not of its type.
        """
        columns = _unpacked(batch, self._model) if self._packed else _placed(batch, self._model)
        reading = self._reading
        signature = self._model.signature
        return Frame(
            len(batch),
            {name: read_numbers(columns[name], name) for name in reading.numbers},
            {n: read_codes(columns[n], v, n) for n, v in reading.vocabularies.items()},
            reading.vocabularies,
            {n: _Source(c, signature[n].type is ColumnType.BIGINT) for n, c in columns.items()},
        )


def _placed(batch: pd.DataFrame, model: Model) -> Mapping[str, pd.Series]:
    names = model.signature.names
    if batch.shape[1] < len(names):
        raise SignatureError(
            f"The function has {batch.shape[1]} arguments and the model {len(names)} columns. "
            "Create the function again, by `foresql deploy`."
        )
    return {name: column for name, (_, column) in zip(names, batch.items(), strict=False)}


def _unpacked(batch: pd.DataFrame, model: Model) -> Mapping[str, pd.Series]:
    """Take the columns out of the OBJECT; JSON's null is NULL, and a missing key is an error."""
    rows = batch.iloc[:, 0].tolist()
    for row in rows:
        if not isinstance(row, dict):
            raise SignatureError(
                f"The row is {str(row)[:40]!r} and no OBJECT. Build it by "
                "OBJECT_CONSTRUCT_KEEP_NULL('column', value, …) from all columns of the model."
            )
    return {name: pd.Series(_values(rows, name), dtype=object) for name in model.signature.names}


def _values(rows: list[dict[str, Any]], name: str) -> list[Any]:
    try:
        return [row[name] for row in rows]
    except KeyError as error:
        raise SignatureError(
            f"Column {name!r} is missing in the OBJECT of a row. OBJECT_CONSTRUCT leaves out what "
            "is NULL: use OBJECT_CONSTRUCT_KEEP_NULL with all columns of the model."
        ) from error
