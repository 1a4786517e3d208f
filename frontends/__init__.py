"""Fitted objects to IR. One file per library module, at the library's own public path."""

from .convert import convert
from .files import read_model_file
from .frames import Training
from .model_file import ModelFile
from .onnx import OnnxModel, read_onnx

__all__ = ["ModelFile", "OnnxModel", "Training", "convert", "read_model_file", "read_onnx"]
