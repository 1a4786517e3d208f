"""Scoring queries compiled to closures: rows are answered without DuckDB, to its bits."""

from .compiling import compile_rowwise
from .models import RowModel
from .program import RowProgram
from .refusing import NotRowwise

__all__ = ["NotRowwise", "RowModel", "RowProgram", "compile_rowwise"]
