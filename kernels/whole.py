"""Models that are kept whole: their cells out of our columns, and their answers in fixed blocks.

A BLAS adds in an order that depends on the number of rows. So a model is always asked for as many
rows at once: a row gets the same bits alone and in any batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import ScoringError
from ..ir.steps import Cell
from .arrow import to_int64, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..ir import Scalar
    from ..ir.steps import Whole
    from .columns import Values


def read_cells(step: Whole, values: Values) -> list[NDArray[Any]]:
    """Give a step's inputs as arrays of the types that its cells name."""
    pairs = zip(step.inputs, step.cells, strict=True)
    return [_cells(values, name, cell) for name, cell in pairs]


def _cells(values: Values, name: str, cell: Cell) -> NDArray[Any]:
    column = cast("pa.Array", values.given(name))
    match cell:
        case Cell.NUMBER:
            return values.numbers(name)
        case Cell.INTEGER if not column.null_count:
            return to_int64(column, name).to_numpy(zero_copy_only=False)
        case Cell.TRUTH if not column.null_count:
            return values.numbers(name) != 0
        case Cell.TEXT | Cell.TEXT_OR_NONE:
            texts = to_text(column).to_numpy(zero_copy_only=False)
            if cell is Cell.TEXT and column.null_count:
                texts = texts.copy()
                texts[np.asarray(column.is_null())] = np.nan
            return texts
        case _:
            return values.numbers(name)


def write_answers(
    step: Whole,
    values: Values,
    size: int,
    ask: Callable[[NDArray[np.intp]], Sequence[Any]],
) -> None:
    """Ask for all rows, ``size`` at a time, and write the columns of the answers side by side.

    ``ask`` is given the positions of the rows of one block, and gives an array an answer.

    Raises
    ------
    ScoringError
        If the answers do not have the columns of the step, or a label is none of its labels.
    """
    result = np.empty((len(step.outputs), values.rows))
    for start, stop, rows in _blocks(values.rows, size):
        columns = [
            column
            for index, answer in enumerate(ask(rows))
            for column in _columns(answer, step.labels if index == 0 else ())
        ]
        if len(columns) != len(step.outputs) or any(len(column) != size for column in columns):
            message = (
                f"The model gives {len(columns)} columns of {[*map(len, columns)][:1]} rows, and "
                f"{len(step.outputs)} of {size} were asked for. Publish it again."
            )
            raise ScoringError(message)
        for row, column in zip(result, columns, strict=True):
            row[start:stop] = column[: stop - start]
    for name, row in zip(step.outputs, result, strict=True):
        values.put(name, row)


def _blocks(rows: int, size: int) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Cut rows into blocks; the last row is repeated until the last block is full."""
    for start in range(0, rows, size):
        yield start, min(start + size, rows), np.minimum(np.arange(start, start + size), rows - 1)


def _columns(answer: Any, labels: tuple[Scalar, ...]) -> list[NDArray[np.float64]]:
    if labels:
        return [_indices(answer, labels)]
    try:
        table = np.asarray(answer, np.float64)
        return list(table.reshape(len(table), -1).T)
    except (TypeError, ValueError) as error:
        message = f"The model gives an answer that is no table of numbers: {error}."
        raise ScoringError(message) from error


def _indices(answer: Any, labels: tuple[Scalar, ...]) -> NDArray[np.float64]:
    places = {label: float(index) for index, label in enumerate(labels)}
    found = np.asarray(answer).ravel().tolist()
    unknown = [label for label in found if label not in places]
    if unknown:
        message = f"The model answers {unknown[0]!r}, which is none of its labels {labels[:20]!r}."
        raise ScoringError(message)
    return np.array([places[label] for label in found])
