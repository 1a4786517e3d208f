"""The routes by which a model can answer, each as a function from rows to answers or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import duckdb
import numpy as np

from ..errors import ForesqlError
from ..ir.bundle import Bundle, decode_bundle, encode_bundle
from ..kernels import Scorer, build_program
from ..udfs.duckdb import register_scorer
from .oracle import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from ..ir import Model

Route: TypeAlias = "Callable[[pa.Table], Answers | str]"

_NAME = "predict_probe"


def kernel(model: Model, connection: duckdb.DuckDBPyConnection | None) -> Route:  # noqa: ARG001
    """Run the steps in Python on the converted model."""
    return _scored_by(Scorer(model, None))


def reloaded(model: Model, connection: duckdb.DuckDBPyConnection) -> Route:  # noqa: ARG001
    """Run the model, and its native program, as its bundle will give them back."""
    content, digest = encode_bundle(Bundle(model, program=build_program(model)))
    bundle = decode_bundle(content, digest)
    return _scored_by(Scorer(bundle.model, bundle.program))


def duckdb_udf(model: Model, connection: duckdb.DuckDBPyConnection) -> Route:
    """Call the SQL functions in DuckDB, by row."""
    registration = register_scorer(connection, Scorer(model), _NAME)
    names = [registration.functions.get(kind) for kind in ("predict", "predict_proba")]
    calls = ", ".join(f"{name}(probes) AS {name}" for name in names if name)

    def run(table: pa.Table) -> Answers | str:
        connection.register("probes", table)
        try:
            found = connection.sql(f"SELECT {calls} FROM probes").to_arrow_table()
        except duckdb.Error as error:
            return str(error)
        prediction = _as_array(found.column(0))
        return Answers(prediction, _probabilities(found, model), np.empty((0, 0)))

    return run


ROUTES: Mapping[str, Callable[[Model, duckdb.DuckDBPyConnection], Route]] = {
    "kernel": kernel,
    "reloaded": reloaded,
    "duckdb": duckdb_udf,
}


def _scored_by(scorer: Scorer) -> Route:
    classes = scorer.model.outputs.classes

    def run(table: pa.Table) -> Answers | str:
        try:
            scores = scorer.score(table)
        except ForesqlError as error:
            return str(error)
        prediction = scores.prediction
        if classes is not None:
            prediction = np.array(classes, object)[prediction[:, 0].astype(np.intp)]
        return Answers(prediction, scores.probabilities, scores.margins)

    return run


def _as_array(column: pa.ChunkedArray) -> np.ndarray:
    values = column.combine_chunks()
    if hasattr(values.type, "list_size") and values.type.list_size > 0:
        return values.flatten().to_numpy().reshape(len(values), -1)
    return np.array(values.to_pylist(), object if values.type == "string" else None)


def _probabilities(found: pa.Table, model: Model) -> np.ndarray:
    """Give a column a class; of two classes SQL has the second's alone."""
    if found.num_columns == 1:
        return np.empty((0, 0))
    column = found.column(1).combine_chunks()
    if len(model.outputs.probabilities) == 2:  # noqa: PLR2004 - negative and positive
        return column.to_numpy().reshape(-1, 1)
    return np.stack([field.to_numpy() for field in column.flatten()], axis=1)
