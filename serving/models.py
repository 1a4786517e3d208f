"""A version of a model in memory, warm, and the ways in which its rows are scored."""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import BundleError, ForesqlError
from ..ir import ColumnType
from ..kernels import RowScorer, Scorer
from ..kernels.intervals import conformal_widths
from ..udfs.functions import functions_of
from ..udfs.recent import OnceScorer
from .answers import Answering, Answers, joined
from .batching import Batcher
from .datatypes import OF_COLUMN
from .features import kinds_of, schema_of
from .output_tensors import encode_outputs, outputs_of
from .row_decoder import RowDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..scoring.models import OpenModel
    from ..udfs.functions import Function
    from .features import Features
    from .settings import Limits
    from .workers import Workers

IN_PLACE_SECONDS = 250e-6
"""What takes no longer is scored in place, row by row: a batch through a thread starts at this."""

_EXPLAIN = "explain"
_WARM_ROUNDS = 5


class ServedModel:
    """One version, ready to answer. It never changes; a newer version is another object."""

    def __init__(
        self,
        opened: OpenModel,
        workers: Workers,
        limits: Limits,
        observe: Callable[[str, int], None],
    ) -> None:
        """Make the scorer, and warm it.

        Raises
        ------
        ForesqlError
            If the bundle cannot be scored here.
        """
        if opened.version is None:
            raise BundleError(f"{opened.path} is of no registry, so it has no version to serve.")
        model = opened.bundle.model
        self.name = opened.name
        self.version = opened.version
        self.reference = f"{opened.name}:{opened.version}"
        self.card = opened.bundle.card
        self.signature = model.signature
        self.kinds = kinds_of(model)
        self.names = list(self.kinds)
        self.is_numeric = set(self.kinds.values()) == {ColumnType.DOUBLE}
        self.schema = schema_of(model)
        self.scorer = Scorer(model, opened.bundle.program)
        self.answering = Answering(model)
        self.outputs = outputs_of(self.answering)
        self.datatypes = {name: OF_COLUMN[kind] for name, kind in self.kinds.items()}
        self.rows = RowDecoder(self.kinds)
        self.residuals = model.residuals
        functions, self.omitted = functions_of(OnceScorer(self.scorer))
        self._explain = next((f for f in functions if f.kind == _EXPLAIN), None)
        self._row_answers = RowScorer(self.scorer).answers
        self.batcher = Batcher(self.scorer, workers, limits, lambda rows: observe(self.name, rows))
        self._workers = workers
        self.in_place_rows = self._warmed()

    async def score(self, features: Features) -> Answers:
        """Score rows: few and quick ones here and now, others in a thread.

        Raises
        ------
        ForesqlError
            If the library would refuse a row.
        Refusal
            If the model's queue is full.
        """
        if features.rows <= self.in_place_rows:
            answering, answers = self.answering, self._row_answers
            return joined([answering.of_row(answers(row)) for row in features.tuples()])
        return self.answering.of_scores(await self.batcher.score(features))

    def encode(
        self, answers: Answers, wanted: Mapping[str, bool]
    ) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Give the answers as tensors, and the bytes of those that go behind JSON."""
        return encode_outputs(answers, wanted, self)

    def notes(self, answers: Answers) -> None:
        """Say what stands beside tensors: nothing."""

    async def explain(self, features: Features) -> list[dict[str, Any]]:
        """Give each row's contributions, as ``explain_<model>`` does in DuckDB."""
        function = self.explanation
        rows: list[dict[str, Any]] = await self._workers.run(
            lambda: function.answer(features.batch().to_struct_array()).to_pylist()
        )
        return rows

    @property
    def explanation(self) -> Function:
        """The function that explains.

        Raises
        ------
        ForesqlError
            If the model has no contributions.
        """
        if self._explain is None:
            raise ForesqlError(f"{self.reference} gives no contributions: {self.omitted[_EXPLAIN]}")
        return self._explain

    def half_width(self, level: float) -> float:
        """Give half the width of the interval at a confidence level."""
        return float(conformal_widths(self.residuals, np.array([level]))[0])

    def _warmed(self) -> int:
        """Score rows on both ways, and tell how many rows are quick enough to be scored in place.

        The clock decides where a row is scored, and never what it is answered.
        """
        row = _sample(self.card, self.schema)
        batch = pa.RecordBatch.from_arrays(
            [pa.array([v], f.type) for v, f in zip(row, self.schema, strict=True)],
            schema=self.schema,
        )
        fastest = math.inf
        try:
            for _ in range(_WARM_ROUNDS):
                started = perf_counter()
                self._row_answers(row)
                fastest = min(fastest, perf_counter() - started)
            self.scorer.score(batch)
        except ForesqlError:  # the library refuses the row; what it loads for that is loaded now
            return 0
        return int(IN_PLACE_SECONDS / fastest)


def _sample(card: Mapping[str, Any], schema: pa.Schema) -> tuple[Any, ...]:
    """Take a row that the library answered when the model was certified, or one of nothing."""
    golden = card.get("golden") or {}
    if golden.get("columns") == schema.names and golden.get("rows"):
        cells = golden["rows"][0]
        values = [float(c["float"]) if isinstance(c, dict) else c for c in cells]
        try:
            arrays = [pa.array([v], f.type) for v, f in zip(values, schema, strict=True)]
            return tuple(array[0].as_py() for array in arrays)
        except (pa.ArrowException, TypeError, ValueError):
            pass
    return (None,) * len(schema)
