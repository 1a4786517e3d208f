"""Models and scoring queries in Spark: ``foresql.spark``."""

from ..scoring.spark import register, score
from .duckdb_batches import duckdb_batches
from .queries import run_query
from .window_batches import window_batches

__all__ = ["duckdb_batches", "register", "run_query", "score", "window_batches"]
