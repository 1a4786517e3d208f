"""Run an ONNX graph by onnxruntime."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError, ScoringError
from ..ir.onnx_session import open_session
from .whole import read_cells, write_answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..ir.steps import Onnx
    from .columns import Values

BLOCK_ROWS = 64

_TYPES: Mapping[str, type] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxKernel:
    """Runs an ONNX step."""

    def __init__(self, step: Onnx) -> None:
        """Load the graph.

        Raises
        ------
        ScoringError
            If onnxruntime is not installed.
        BundleError
            If it cannot load the graph, or the graph does not take the step's columns.
        """
        self._step = step
        try:
            import onnxruntime
        except ImportError as error:
            message = "This model needs onnxruntime: pip install 'foresql[onnx]'"
            raise ScoringError(message) from error
        try:
            self._session = open_session(onnxruntime, step.file.tobytes())
        except Exception as error:
            message = f"onnxruntime cannot load the model: {error}"
            raise BundleError(message) from error
        self._inputs = self._session.get_inputs()
        self._is_matrix = len(self._inputs) == 1 and len(self._inputs[0].shape) > 1
        self._check_inputs()

    def run(self, values: Values) -> None:
        """Write the answers of the graph."""
        cells = [
            np.asarray(cell, _TYPES[each.type])
            for each, cell in zip(cycle(self._inputs), read_cells(self._step, values), strict=False)
        ]
        write_answers(self._step, values, BLOCK_ROWS, lambda rows: self._ask(cells, rows))

    def _ask(self, cells: list[NDArray[Any]], rows: NDArray[np.intp]) -> list[Any]:
        block = [cell[rows] for cell in cells]
        if self._is_matrix:
            feeds = {self._inputs[0].name: np.stack(block, axis=1)}
        else:
            feeds = {
                each.name: cell.reshape(-1, 1) if len(each.shape) > 1 else cell
                for each, cell in zip(self._inputs, block, strict=True)
            }
        try:
            return list(self._session.run(list(self._step.answers), feeds))
        except Exception as error:
            message = f"onnxruntime refuses rows: {error}"
            raise ScoringError(message) from error

    def _check_inputs(self) -> None:
        count = len(self._step.inputs)
        unknown = [each.type for each in self._inputs if each.type not in _TYPES]
        lacking = {*self._step.answers} - {each.name for each in self._session.get_outputs()}
        takes = count if self._is_matrix else len(self._inputs)
        if unknown or lacking or takes != count:
            message = (
                f"The graph's inputs {[each.name for each in self._inputs]} of {unknown or 'types'}"
                f" do not take {count} columns, or it has no output {sorted(lacking)}."
            )
            raise BundleError(message)
