"""Models and scoring queries in Spark: ``foresql.spark``."""

from ..scoring.spark import register, score
from .duckdb_batches import duckdb_batches
from .postgres_batches import postgres_batches
from .queries import run_query
from .query_batches import query_batches
from .window_batches import window_batches

__all__ = [
    "duckdb_batches",
    "postgres_batches",
    "query_batches",
    "register",
    "run_query",
    "score",
    "window_batches",
]
