"""What a model's functions are in every engine: kinds, names of their answers, omissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ir import Model

PREDICT, PROBA, EXPLAIN, INTERVAL = "predict", "predict_proba", "explain", "interval"

NO_INTERVAL = "intervals need calibration rows: publish a regression with calibration=(X, y)"
NO_PROBABILITIES = "the model gives no class probabilities"


def labels_of(model: Model) -> list[str]:
    """Name the classes, as fields of a struct or keys of an object."""
    return [str(label) for label in model.outputs.classes or ()]


def margin_names(model: Model) -> list[str]:
    """Name the raw scores: one has no name, several are classes or outputs."""
    margins = len(model.outputs.margins)
    labels = labels_of(model)
    return labels if len(labels) == margins else [f"output_{i}" for i in range(margins)]
