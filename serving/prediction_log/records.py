"""What is logged: the rows of a request that one version answered, and their columns."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from ...kernels import Scores
from ...udfs.functions import predictions, probabilities
from ..features import RowFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..answers import Answers
    from ..features import Features
    from ..models import ServedModel

ALL = "*"
"""The choice of features that is every one."""

_RECORD_BYTES, _ANSWER_BYTES = 512, 256


class Record(NamedTuple):
    """Rows of one request, answered by one version.

    Attributes
    ----------
    at
        When the request was answered, in microseconds since 1970.
    places
        The rows' places in the request.
    features
        None where no feature is logged.
    weight
        The bytes that it takes while it waits, about.
    """

    at: int
    request_id: str
    served: ServedModel
    role: str
    places: Sequence[int]
    keys: Sequence[str | None]
    features: Features | None
    answers: Answers
    weight: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.places)


def weight_of(rows: int, features: Features | None) -> int:
    """Estimate the bytes that a record of so many rows takes while it waits."""
    own = 0 if features is None else features.weight()
    return _RECORD_BYTES + _ANSWER_BYTES * rows + own


class LogTable:
    """The columns of one version's log."""

    def __init__(self, served: ServedModel, features: tuple[str, ...]) -> None:
        """Choose the columns; ``features`` are names, or ``*``, or none."""
        self._served = served
        self._model = served.scorer.model
        self._features = [name for name in served.names if name in features or features == (ALL,)]
        self.schema = self.batch([]).schema

    def batch(self, records: Sequence[Record]) -> pa.RecordBatch:
        """Give the rows of records of this version."""
        counts = [record.rows for record in records]
        rows = sum(counts)

        def repeated(values: list[object], kind: pa.DataType) -> pa.Array:
            places = np.repeat(np.arange(len(records)), counts)
            return pa.array(values, kind).take(pa.array(places))

        columns = {
            "answered_at": repeated([record.at for record in records], pa.timestamp("us", "UTC")),
            "request_id": repeated([record.request_id for record in records], pa.string()),
            "row": pa.array(chain.from_iterable(r.places for r in records), pa.int64()),
            "model_name": pa.repeat(self._served.name, rows),
            "model_version": pa.repeat(self._served.version, rows),
            "role": repeated([str(record.role) for record in records], pa.string()),
            "entity": pa.array(chain.from_iterable(r.keys for r in records), pa.string()),
        }
        scores = self._scores(records)
        columns["prediction"] = predictions(self._model, scores)
        if self._served.answering.no_probability is None:
            columns["probability"] = probabilities(self._model, scores)
        if self._features:
            columns["features"] = self._feature_column(records)
        return pa.RecordBatch.from_pydict(columns)

    def _scores(self, records: Sequence[Record]) -> Scores:
        """Put the answers back into the form that the functions of SQL are made from."""
        answering = self._served.answering

        def stacked(rows: list[Sequence[float]], width: int) -> np.ndarray[tuple[int, int]]:
            return np.array(rows, np.float64).reshape(len(rows), width)

        prediction = [row for record in records for row in record.answers.prediction]
        shares = [row for record in records for row in record.answers.probabilities]
        return Scores(
            stacked(prediction, answering.width),
            stacked(shares, answering.shares),
            np.zeros((len(prediction), 0)),
        )

    def _feature_column(self, records: Sequence[Record]) -> pa.Array:
        """Give the features as a struct, to the bits that were scored."""
        batches: list[pa.RecordBatch] = []
        rows: list[tuple[Any, ...]] = []
        for record in records:
            if isinstance(record.features, RowFeatures):
                rows += map(tuple, record.features.tuples())
                continue
            if rows:
                batches.append(RowFeatures(self._served.schema, rows).batch())
                rows = []
            if record.features is not None:
                batches.append(record.features.batch())
        if rows or not batches:
            batches.append(self._of_rows(rows))
        table = pa.Table.from_batches(batches).select(self._features).combine_chunks()
        arrays = [column.combine_chunks() for column in table.columns]
        return pa.StructArray.from_arrays(arrays, names=self._features)

    def _of_rows(self, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        if rows:
            return RowFeatures(self._served.schema, rows).batch()
        return pa.RecordBatch.from_pylist([], self._served.schema)
