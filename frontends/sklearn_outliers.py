"""What scikit-learn's outlier detectors share: a score, and the labels 1 (inlier) and -1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir import Outputs
from ..ir import steps as s

if TYPE_CHECKING:
    from .graph import Graph, Names

BELOW_ZERO = -5e-324
"""The largest number below zero: what exceeds it is not negative."""


def answer_outlier(score: Names, graph: Graph) -> Outputs:
    """Give 1 where the decision function is not negative, else -1."""
    label = graph.add(s.Exceeds((score[0],), graph.label(), BELOW_ZERO))
    return Outputs(label, (-1, 1), margins=score)
