"""Run an ONNX graph by onnxruntime."""

from __future__ import annotations

import threading
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError, ScoringError
from .whole import read_cells, write_answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..ir.steps import Onnx
    from .columns import Values

BLOCK_ROWS = 64
MAX_MEMORY = 2**31
"""What all graphs of a process may take at once: an operator can ask for more than its file has."""

_TYPES: Mapping[str, type] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_arena = threading.Lock()
_has_arena: list[bool] = []


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
            _limit_memory(onnxruntime)
            self._session = onnxruntime.InferenceSession(
                step.file.tobytes(), _options(onnxruntime), providers=providers(onnxruntime)
            )
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


def providers(onnxruntime: Any) -> list[str]:
    """Name what runs the operators: the GPU where there is one, and the CPU."""
    there = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]


def _options(onnxruntime: Any) -> Any:
    """Run each operator as it is written, in its order: fused ones round otherwise."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


def _limit_memory(onnxruntime: Any) -> None:
    with _arena:
        if _has_arena:
            return
        place = onnxruntime.OrtMemoryInfo(
            "Cpu",
            onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
            0,
            onnxruntime.OrtMemType.DEFAULT,
        )
        limit = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY})
        onnxruntime.create_and_register_allocator(place, limit)
        _has_arena.append(True)
