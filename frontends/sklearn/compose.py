"""``sklearn.compose``: ColumnTransformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..convert import require_fitted, transform

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_column_transformer(transformer: Any, inputs: Names, graph: Graph) -> Names:
    """Each transformer on its columns, the outputs side by side, the remainder last.

    scikit-learn has resolved names, positions, slices, masks and selectors to positions when it
    was fitted; ``_transformer_to_input_indices`` holds them.
    """
    fitted = require_fitted(transformer, "transformers_", graph)
    positions = transformer._transformer_to_input_indices  # noqa: SLF001 - no public equivalent
    outputs: list[str] = []
    for name, part, _ in fitted:
        with graph.inside(name):
            columns = tuple(inputs[index] for index in positions[name])
            made = transform(part, columns, graph)
            weight = (transformer.transformer_weights or {}).get(name)
            if weight is not None and weight != 1 and made:
                raise graph.refuse(
                    "transformer_weights has no translation yet",
                    "multiply with a step of the pipeline, or fit without weights",
                )
            outputs.extend(made)
    return tuple(outputs)


TRANSFORMERS = {"ColumnTransformer": convert_column_transformer}
