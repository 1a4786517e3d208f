"""The query side of pruning: what a query says of its rows makes the models in it smaller."""

from .explaining import ExplainedCall, Explanation
from .rewrite import rewrite
from .rewritten import Rewritten

__all__ = ["ExplainedCall", "Explanation", "Rewritten", "rewrite"]
