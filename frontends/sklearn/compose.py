"""``sklearn.compose``: ColumnTransformer and TransformedTargetRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Precision
from ..convert import add_link, predict, require_fitted, transform
from ..sklearn_functions import inverse_arithmetic, weigh
from ..sklearn_numpy import named_function
from ..sklearn_powers import invert_power_transform
from ..sklearn_quantiles import invert_quantile_transform

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_column_transformer(transformer: Any, inputs: Names, graph: Graph) -> Names:
    """Each transformer on its columns, each times its weight, the remainder last.

    scikit-learn has resolved names, positions, slices, masks and selectors to positions when it
    was fitted; ``_transformer_to_input_indices`` holds them.
    """
    fitted = require_fitted(transformer, "transformers_", graph)
    positions = transformer._transformer_to_input_indices  # noqa: SLF001 - no public equivalent
    outputs: list[str] = []
    given = graph.sparse
    weights = transformer.transformer_weights or {}
    for name, part, _ in fitted:
        graph.sparse = set(given)
        with graph.inside(name):
            columns = tuple(inputs[index] for index in positions[name])
            made = transform(part, columns, graph)
            outputs.extend(weigh(made, weights.get(name), graph))
    if transformer.sparse_output_:
        graph.sparse.update(outputs)
    else:
        graph.sparse.difference_update(outputs)
    return tuple(outputs)


def convert_transformed_target(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Bring the regressor's prediction back by the inverse of the target's transformer."""
    outputs = predict(require_fitted(model, "regressor_", graph), inputs, graph)
    if outputs.classes is not None:
        raise graph.refuse("its regressor is a classifier", "fit with a regressor")
    if any(_is_float32(step) for step in graph.steps):
        raise graph.refuse(
            "its regressor predicts in float32, and numpy inverts in that precision",
            "fit the regressor on the transformed target, and invert in the query",
        )
    with graph.inside(type(model.transformer_).__name__):
        prediction = _invert(model.transformer_, outputs.prediction, graph)
    return Outputs(prediction, margins=outputs.margins)


def _invert(transformer: Any, columns: Names, graph: Graph) -> Names:
    if type(transformer).__name__ == "FunctionTransformer":
        if transformer.validate:
            graph.require(columns, missing=True, infinite=True)
        if transformer.inverse_func is None:
            return columns
        function = named_function(transformer.inverse_func, transformer.inv_kw_args, graph)
        return add_link(graph, columns, function)
    invert = _INVERSES.get(type(transformer).__name__)
    if invert is not None:
        return invert(transformer, columns, graph)
    steps = inverse_arithmetic(transformer)
    if steps is None:
        raise graph.refuse(
            "its inverse has no exact translation",
            "use func= and inverse_func= with numpy's functions, or a scaler",
        )
    graph.require(columns, missing=False, infinite=True)
    for operator, operands in steps:
        columns = graph.arithmetic(columns, operator, operands)
    return columns


def _is_float32(step: s.Step) -> bool:
    if isinstance(step, s.Forest):
        return step.precision is Precision.FLOAT32
    return isinstance(step, s.Float32Dot)


_INVERSES = {
    "PowerTransformer": invert_power_transform,
    "QuantileTransformer": invert_quantile_transform,
}

PREDICTORS = {"TransformedTargetRegressor": convert_transformed_target}
TRANSFORMERS = {"ColumnTransformer": convert_column_transformer}
