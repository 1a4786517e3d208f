"""``sklearn.svm``: linear machines, and libsvm's kernel machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ...ir import steps as s
from ..sklearn_machines import add_machine, add_votes
from .linear_model import convert_classifier, convert_regressor

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_machine(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Sum kernels over the support vectors; labels by one vote a pair of classes."""
    return add_votes(model, add_machine(model, inputs, graph), graph)


def convert_support_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Sum kernels over the support vectors."""
    sums = add_machine(model, inputs, graph)
    return Outputs(prediction=sums, margins=sums)


def convert_one_class(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Sum kernels over the support vectors; 1 above zero and -1 elsewhere."""
    sums = add_machine(model, inputs, graph)
    return Outputs(graph.add(s.Exceeds((sums[0],), graph.label(), 0.0)), (-1, 1), (), sums)


PREDICTORS = {
    "LinearSVC": convert_classifier,
    "LinearSVR": convert_regressor,
    "NuSVC": convert_machine,
    "NuSVR": convert_support_regressor,
    "OneClassSVM": convert_one_class,
    "SVC": convert_machine,
    "SVR": convert_support_regressor,
}
