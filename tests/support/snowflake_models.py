"""Models, what of them goes to Snowflake, and rows as Snowflake hands them over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from snowflake_runtime import Call, Column

from foresql.certify.probes import make_probes
from foresql.certify.publish import prepare
from foresql.frontends import Training
from foresql.ir.bundle import Bundle
from foresql.kernels import Scorer
from foresql.udfs.snowflake.artifact import Artifact, build_artifact
from foresql.udfs.snowflake.functions import argument_types

if TYPE_CHECKING:
    from foresql.ir import Model

DTYPES = {
    "FLOAT": "float64",
    "NUMBER(38, 0)": "object",
    "BOOLEAN": "boolean",
    "VARCHAR": "string",
    "TIMESTAMP_NTZ": "datetime64[ns]",
}


@dataclass(frozen=True)
class Shipped:
    """A fitted estimator, its model, and its zip."""

    name: str
    estimator: Any
    training: Training
    model: Model

    @classmethod
    def of(cls, name, estimator, frame, calibration=None) -> Shipped:
        training = Training.of(frame, estimator)
        model = prepare(estimator, training, calibration)
        return cls(name, estimator, training.only(model.signature.names), model)

    @cached_property
    def artifact(self) -> Artifact:
        return build_artifact(Bundle(self.model), self.name, 7)

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer(self.model, None)

    def probes(self, rows: int) -> list[pa.Table]:
        return [probe.table for probe in make_probes(self.model, self.training.table, rows, 5)]

    def call(self, table: pa.Table, entry: str = "predict", **options: Any) -> Call:
        return Call(self.artifact, entry, arguments_of(self.model, table), **options)


def arguments_of(model: Model, table: pa.Table) -> list[Column]:
    """Give a table's columns as Snowflake's conversion to pandas does."""
    return [
        Column(DTYPES[argument.type], values_of(table.column(argument.name)))
        for argument in argument_types(model)
    ]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.to_pylist()


def wanted_of(shipped: Shipped, table: pa.Table) -> list[Any]:
    """Give the answers of the kernel here, which the gate holds against the library."""
    prediction = shipped.scorer.score(table).prediction
    classes = shipped.model.outputs.classes
    if classes is not None:
        return [classes[int(index)] for index in prediction[:, 0]]
    return (prediction[:, 0] if prediction.shape[1] == 1 else prediction).tolist()


def bits(values: list[Any]) -> list[Any]:
    """Numbers by their bits, so that NaN is NaN and -0.0 is not 0.0; texts of JSON read back."""
    return [
        np.float64(v).tobytes() if isinstance(v, float) else bits(v) if isinstance(v, list) else v
        for v in values
    ]


def flights(rows: int = 900) -> pd.DataFrame:
    random = np.random.default_rng(7)
    distance = random.normal(1000, 400, rows).round(1)
    distance[::7] = np.nan
    carrier = random.choice(["AA", "UA", "É☃", 'say "hi"'], rows).astype(object)
    carrier[::11] = None
    return pd.DataFrame(
        {
            "distance": distance,
            "seats": random.integers(0, 400, rows),
            "rain": random.random(rows) < 0.3,
            "carrier": pd.Categorical(carrier),
        }
    )
