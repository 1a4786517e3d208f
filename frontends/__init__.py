"""Fitted objects to IR. One file per library module, at the library's own public path."""

from .convert import convert
from .frames import Training

__all__ = ["Training", "convert"]
