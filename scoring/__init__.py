"""Bind models to names, and run scoring queries and files."""

from .files import ScoredFile, score_file
from .models import open_model, register
from .query import run_query

__all__ = ["ScoredFile", "open_model", "register", "run_query", "score_file"]
