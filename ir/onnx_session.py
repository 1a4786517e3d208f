"""How an ONNX graph is run: part of what the step means, for the oracle and the kernel alike.

onnxruntime is given as an argument, for this folder imports no library.
"""

from __future__ import annotations

import threading
from typing import Any

MAX_MEMORY = 2**31
"""What all graphs of a process may take at once: an operator can ask for more than its file has."""

_registering = threading.Lock()
_limited: list[bool] = []


def open_session(onnxruntime: Any, file: bytes) -> Any:
    """Load a graph to run each operator as it is written, in its order, on one thread.

    Fused operators, as onnxruntime's optimisations make them, round otherwise.
    """
    _limit_memory(onnxruntime)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(file, options, providers=providers(onnxruntime))


def providers(onnxruntime: Any) -> list[str]:
    """Name what runs the operators: the GPU where there is one, and the CPU."""
    there = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]


def _limit_memory(onnxruntime: Any) -> None:
    with _registering:
        if _limited:
            return
        kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
        place = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use)
        limit = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY})
        onnxruntime.create_and_register_allocator(place, limit)
        _limited.append(True)
