"""Fitted objects to IR. One file per library module, at the library's own public path."""

from .convert import convert
from .files import read_model_file
from .frames import Training
from .model_file import ModelFile

__all__ = ["ModelFile", "Training", "convert", "read_model_file"]
