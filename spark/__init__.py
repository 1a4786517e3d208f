"""Models and scoring queries in Spark: ``foresql.spark``."""

from ..scoring.spark import register, score
from .queries import run_query

__all__ = ["register", "run_query", "score"]
