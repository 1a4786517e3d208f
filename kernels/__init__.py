"""Turn a model and rows into numbers."""

from .frame import Frame
from .scorer import Scorer, Scores

__all__ = ["Frame", "Scorer", "Scores"]
