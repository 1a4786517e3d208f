"""Bind models to names, and run scoring queries and files."""

from .compiling import compile_files, compile_sql
from .files import ScoredFile, score_file
from .models import open_model, register
from .online import OnlineModel, load
from .query import run_query
from .rewriting import Explanation, Rewritten, rewrite
from .streams import score_batches

__all__ = [
    "Explanation",
    "OnlineModel",
    "Rewritten",
    "ScoredFile",
    "compile_files",
    "compile_sql",
    "load",
    "open_model",
    "register",
    "rewrite",
    "run_query",
    "score_batches",
    "score_file",
]
