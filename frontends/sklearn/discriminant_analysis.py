"""``sklearn.discriminant_analysis``: LinearDiscriminantAnalysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .linear_model import add_dot, add_sigmoid, add_softmax

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_linear_discriminant_analysis(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; probabilities by sigmoid or softmax."""
    margins = add_dot(model, inputs, graph)
    add = add_sigmoid if len(margins) == 1 else add_softmax
    return add(model, margins, graph)


PREDICTORS = {"LinearDiscriminantAnalysis": convert_linear_discriminant_analysis}
