"""From a batch of rows to the same batch with its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ..udfs.functions import predictions, probabilities, probability_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..ir import Model
    from ..kernels import Scorer

PREDICTION, PROBABILITY = "prediction", "probability"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A batch: the columns that are carried over, and what the model reads."""

    carried: pa.RecordBatch
    features: pa.RecordBatch | pa.StructArray


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """Adds a model's answers to batches. ``stamp`` holds further columns of one value each."""

    scorer: Scorer
    stamp: Mapping[str, pa.Scalar]

    @property
    def added(self) -> set[str]:
        """The columns that are added."""
        model = self.scorer.model
        return {PREDICTION, *self.stamp} | (set() if _has_none(model) else {PROBABILITY})

    def answer(self, rows: Rows) -> pa.RecordBatch:
        """Score a batch."""
        model, scores = self.scorer.model, self.scorer.score(rows.features)
        columns = dict(zip(rows.carried.schema.names, rows.carried.columns, strict=True))
        columns[PREDICTION] = predictions(model, scores)
        if not _has_none(model):
            columns[PROBABILITY] = probabilities(model, scores)
        columns |= {
            name: pa.repeat(value, len(rows.features)) for name, value in self.stamp.items()
        }
        return pa.RecordBatch.from_arrays([*columns.values()], names=[*columns])


def _has_none(model: Model) -> bool:
    return probability_problem(model) is not None
