"""Golden rows: probe rows with the library's own answers, kept in the bundle.

Where the library is not installed, any route can still be held against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BundleError, CertificationError
from .compare import (
    RELATIVE,
    RELATIVE_PROBABILITY,
    differences,
    label_doubts,
    matching_columns,
    rounding_bound,
)
from .probes import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..ir import Model
    from ..kernels import Scorer
    from .oracle import Answers

_MOST_ROWS, _FEWEST_ROWS, _CELLS = 200, 10, 20_000


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows (a tuple of values each, in the order of ``columns``) and the library's answers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    prediction: tuple[Any, ...]
    probabilities: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, table: pa.Table, answers: Answers) -> Golden:
        """Keep as many rows as make a small file, whatever their width."""
        count = _rows_kept(table)
        native = [
            column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
            for column in table.slice(0, count).columns
        ]
        return cls(
            tuple(table.column_names),
            tuple(zip(*(column.to_pylist() for column in native), strict=True)),
            tuple(answers.prediction[:count].tolist()),
            tuple(map(tuple, answers.probabilities[:count].tolist())),
        )

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values; numbers that JSON lacks become ``{"float": text}``."""
        return {
            "columns": list(self.columns),
            "rows": _encode(self.rows),
            "prediction": _encode(self.prediction),
            "probabilities": _encode(self.probabilities),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Golden:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        BundleError
            If it is something else.
        """
        try:
            return cls(
                tuple(document["columns"]),
                tuple(tuple(row) for row in _decode(document["rows"])),
                tuple(_decode(document["prediction"])),
                tuple(tuple(row) for row in _decode(document["probabilities"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"The bundle's golden rows cannot be read: {error!r}."
            raise BundleError(message) from error

    @classmethod
    def kept(cls, card: Mapping[str, Any]) -> Golden:
        """Read what a card keeps; no rows where it keeps none."""
        return cls.from_json(card["golden"]) if card.get("golden") else cls((), (), (), ())

    def table(self, model: Model) -> pa.Table:
        """Give the rows as the model reads them."""
        return table_of(model, [list(values) for values in zip(*self.rows, strict=True)])


def without_tiny(table: pa.Table) -> pa.Table | None:
    """Give the rows that are kept with 0 for numbers below 2.2e-308; None where they can stay.

    Not every engine holds such numbers, and in a wide table nearly every row has one.
    """
    rows = table.slice(0, _rows_kept(table))
    tiny = np.finfo(np.float64).tiny
    columns, plain = [], np.ones(len(rows), np.bool_)
    for column in rows.columns:
        if pa.types.is_floating(column.type):
            sizes = np.abs(column.to_numpy())
            is_tiny = (sizes > 0) & (sizes < tiny)
            plain &= ~is_tiny
            column = pc.if_else(pa.array(is_tiny), pa.scalar(0.0, column.type), column)  # noqa: PLW2901
        columns.append(column)
    if plain.sum() >= min(_FEWEST_ROWS, len(rows)):
        return None
    return pa.table(columns, schema=rows.schema)


def _rows_kept(table: pa.Table) -> int:
    return min(_MOST_ROWS, max(_FEWEST_ROWS, _CELLS // table.num_columns), len(table))


def check_golden(
    golden: Golden, model: Model, scorer: Scorer, run: Callable[[pa.Table], Answers | str]
) -> float:
    """Hold a route against the golden rows, and give the largest relative difference.

    Raises
    ------
    CertificationError
        If it differs by more than the gate allows.
    """
    table = golden.table(model)
    ours = run(table)
    if isinstance(ours, str):
        message = f"The route refuses the golden rows: {ours}"
        raise CertificationError(message)
    values = scorer.run(scorer.decoder.decode(table))
    bound = rounding_bound(model, values)
    rows = len(golden.rows)
    if model.outputs.classes is not None:
        pairs = zip(ours.prediction.tolist(), golden.prediction, strict=True)
        differs = np.array([mine != theirs for mine, theirs in pairs], np.bool_)
        doubts = label_doubts(model, values)
        if (differs & ~doubts.ties & ~doubts.overflows).any():
            message = "A label is not the one that the golden rows hold."
            raise CertificationError(message)
        mine = ours.probabilities
        if not mine.size:
            return 0.0
        theirs = matching_columns(np.array(golden.probabilities, np.float64), mine)
        relative = RELATIVE_PROBABILITY
    else:
        mine = ours.prediction.reshape(rows, -1)
        theirs = np.array(golden.prediction, np.float64).reshape(rows, -1)
        relative = RELATIVE
    largest, row = differences(mine, theirs, bound, exact=False, relative=relative)
    if row is not None:
        message = f"Golden row {row}: {mine[row].tolist()}, and it holds {theirs[row].tolist()}."
        raise CertificationError(message)
    return largest


def _encode(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        return float(value["float"])
    return value
