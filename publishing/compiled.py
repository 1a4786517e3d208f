"""A model's query in a target's SQL, and which of its columns answer for which function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..models_sql import answer_names, compile_query
from ..udfs.answers import labels_of

if TYPE_CHECKING:
    from ..ir import Model
    from ..models_sql import Query, Target

_BINARY = 2


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A query, and its columns.

    Attributes
    ----------
    prediction
        The columns of the prediction: several of a model with several outputs.
    probabilities
        The column of each class; of two classes that of the second alone.
    """

    model: Model
    query: Query
    prediction: tuple[str, ...]
    probabilities: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the classes of ``probabilities``, where there are several."""
        return tuple(labels_of(self.model)) if len(self.probabilities) > 1 else ()

    @property
    def exact(self) -> frozenset[str]:
        """Name the columns whose bits are the kernel's."""
        return frozenset(self.query.columns) - self.query.approximate


def compile_model(model: Model, target: Target, source: str) -> Compiled:
    """Write a model as a query over ``source``.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target.
    """
    query = compile_query(model, target, source)
    names = [name for name, _ in answer_names(model)]
    values = len(model.outputs.prediction)
    count = len(model.outputs.probabilities) if model.outputs.classes is not None else 0
    kept = 1 if count == _BINARY else count
    return Compiled(model, query, tuple(names[:values]), tuple(names[values : values + kept]))
