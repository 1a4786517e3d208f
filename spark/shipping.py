"""Send a query's plan to workers, and make the frame of its answers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import duckdb

from ..errors import RegistrationError, SignatureError, UnsupportedModelError
from ..registry import Registry
from ..streams.events.carrying import check_carried
from ..udfs.spark import ship_bundle
from .frames import no_rows, spark_schema
from .plan import Plan, ShippedModel
from .worker import open_duckdb, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ..streams.query import Pinned

    Answer = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_MOST_BYTES = 64 << 20
"""A message to a server of Spark Connect has 128 MB at most."""
_TIME_ZONE = "spark.sql.session.timeZone"


def ship(frame: Any, text: str, pinned: Pinned, registry: Path, keys: tuple[str, ...]) -> Plan:
    """Give each executor the bundles of the models of a query over a frame.

    Raises
    ------
    RegistrationError
        If they are too large for a stream over Spark Connect.
    """
    session = frame.sparkSession
    is_within = frame.isStreaming and _is_connect(session)
    store = Registry.open(registry)
    models: list[ShippedModel] = []
    for function, version in pinned.functions:
        content = store.bundle_path(version).read_bytes()
        digest = store.load(version).digest
        if is_within:
            models.append(ShippedModel(function, version.version, "", digest, content))
            continue
        file = ship_bundle(session, digest, content)
        models.append(ShippedModel(function, version.version, file, digest))
    _check_size(models)
    zone = str(session.conf.get(_TIME_ZONE))
    return Plan(text=text, models=tuple(models), time_zone=zone, keys=keys)


def _is_connect(session: Any) -> bool:
    """Whether a session is one of Spark Connect.

    Its server runs a stream in a session of its own, whose workers get none of the files that were
    added to this one. So the query carries the bundles.
    """
    return type(session).__module__.startswith("pyspark.sql.connect.")


def _check_size(models: Sequence[ShippedModel]) -> None:
    size = sum(len(model.content or b"") for model in models)
    if size > _MOST_BYTES:
        message = (
            f"The models of the query have {size:,} bytes, and a stream over Spark Connect carries "
            f"them in its plan, which takes {_MOST_BYTES:,}. Take a classic session."
        )
        raise RegistrationError(message)


def answered(frame: Any, plan: Plan, pinned: Pinned, registry: Path) -> Any:
    """Run a plan over a frame, in the workers; here it is bound, and its types are found.

    Raises
    ------
    RegistrationError
        If the query does not fit the frame.
    SignatureError
        If it gives a type that Spark has not.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    store = Registry.open(registry)
    paths = {function: store.bundle_path(version) for function, version in pinned.functions}
    with open_duckdb(plan, lambda model: paths[model.function]) as connection:
        try:
            found = run(connection, plan.text, no_rows(frame, plan.time_zone), check_for_spark)
        except duckdb.Error as error:
            message = f"The query does not fit the table: {error}"
            raise RegistrationError(message) from error
    schema = spark_schema(found.schema)
    with warnings.catch_warnings():
        # PySpark warns of a newer pandas, of which nothing is used here.
        warnings.simplefilter("ignore", FutureWarning)
        return frame.mapInArrow(_body(plan, schema), from_arrow_schema(schema))


def check_for_spark(found: duckdb.DuckDBPyRelation) -> None:
    """Refuse what Arrow would give Spark as other values.

    Raises
    ------
    SignatureError
        For the first such column.
    """
    try:
        check_carried(dict(zip(found.columns, found.types, strict=True)), "spark")
    except UnsupportedModelError as error:
        raise SignatureError(str(error)) from error


def _body(plan: Plan, schema: pa.Schema) -> Answer:
    """Make what Spark sends to its workers: the plan, and no more."""

    def answer(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            from . import worker
        except ImportError as error:
            message = (
                "This Spark executor has no foresql. Install it where the executors run Python: "
                "pip install foresql. Libraries of training are not needed there."
            )
            raise RuntimeError(message) from error
        yield from worker.answer(plan, schema, batches)

    # Spark reads the types from the hints themselves, and not from their texts.
    answer.__annotations__ = {}
    return answer
