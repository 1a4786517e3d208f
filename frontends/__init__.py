"""Fitted objects to IR. One file per library module, at the library's own public path."""

from .convert import convert
from .frames import Training
from .onnx import OnnxModel, read_onnx

__all__ = ["OnnxModel", "Training", "convert", "read_onnx"]
