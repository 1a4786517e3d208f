"""A model of the registry in Spark.

``register`` gives a session's SQL ``predict_delay``; ``score`` gives a data frame its predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RegistrationError, SignatureError, UnsupportedModelError
from ..ir import ColumnType
from ..models_sql import answer_names, compile_query, target_of
from ..udfs.spark import Packed, SparkRegistration, make_functions, register_bundle
from .models import open_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..ir import Model
    from .models import OpenModel

ROUTES = ("function", "sql")
_ANSWERS = {"predict": "prediction", "predict_proba": "probability"}
_SOURCE = "foresql_rows_of_this_frame"
_KINDS: Mapping[ColumnType, tuple[str, ...]] = {
    ColumnType.DOUBLE: (
        *("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean"),
    ),
    ColumnType.BIGINT: ("tinyint", "smallint", "int", "bigint"),
    ColumnType.BOOLEAN: ("boolean",),
    ColumnType.VARCHAR: ("string",),
    ColumnType.TIMESTAMP: ("timestamp_ntz", "date"),
}
"""Spark's types that a column of the signature is read from."""


def register(
    session: Any,
    model: str | Path,
    *,
    name: str | None = None,
    registry: str | Path | None = None,
) -> SparkRegistration:
    """Make a model the functions of a Spark session.

    Parameters
    ----------
    session
        A ``SparkSession``, classic or Connect.
    model
        A reference into the registry (``"delay@champion"``, ``"delay:3"``), or the path of a
        ``.foresql`` bundle.
    name
        The predicting function's name; ``predict_<model>`` by default.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.

    Raises
    ------
    RegistryError, BundleError, RegistrationError
        Nothing is registered then.

    Examples
    --------
    >>> foresql.spark.register(spark, "delay@champion")  # doctest: +SKIP
    >>> spark.sql("SELECT predict_delay(struct(*)) FROM flights")  # doctest: +SKIP
    """
    if not hasattr(session, "addArtifact"):
        message = f"register(session, model) takes a SparkSession, not {type(session).__name__}."
        raise RegistrationError(message)
    opened = open_model(model, registry)
    name = name or f"predict_{opened.name}"
    return register_bundle(session, _packed(opened), name, opened.version)


def score(
    frame: Any,
    model: str | Path,
    *,
    route: str = "function",
    registry: str | Path | None = None,
) -> Any:
    """Give a Spark data frame the columns ``prediction`` and, of a classifier, ``probability``.

    Parameters
    ----------
    frame
        A Spark ``DataFrame``, a streaming one too: of Parquet, Delta, Iceberg, or any query.
        Columns are found by name.
    model, registry
        As for :func:`register`.
    route
        ``"function"``: an Arrow function in Python workers. ``"sql"``: the model as an expression
        of Spark's own, without Python workers.

    Returns
    -------
    pyspark.sql.DataFrame
        The frame's columns, then the answers. Nothing runs before it is asked for.

    Raises
    ------
    SignatureError
        If a column is missing, of the wrong type, or called like an answer.
    UnsupportedModelError
        If the model has no exact SQL in Spark, with the reason and the way out.
    """
    if route not in ROUTES:
        message = f"There is no route {route!r}. Use one of {', '.join(ROUTES)}."
        raise SignatureError(message)
    if not hasattr(frame, "sparkSession"):
        message = f"score(frame, model) takes a data frame of Spark, not {type(frame).__name__}."
        raise SignatureError(message)
    opened = open_model(model, registry)
    _check_columns(frame, opened.bundle.model)
    return _by_functions(frame, opened) if route == "function" else _by_sql(frame, opened)


def _packed(opened: OpenModel) -> Packed:
    """Give the bundle as it lies there, and its digest, by which workers check it."""
    return Packed(opened.bundle.model, opened.path.read_bytes(), opened.bundle.digest)


def _check_columns(frame: Any, model: Model) -> None:
    """Compare with the signature: Spark itself would read a text as a number."""
    spelled = [str(field.name).casefold() for field in frame.schema.fields]
    types = dict(zip(spelled, (field.dataType for field in frame.schema.fields), strict=True))
    for answer in _ANSWERS.values():
        if answer in types:
            message = f"The frame has a column {answer!r} already. Rename it, or drop it."
            raise SignatureError(message)
    for column in model.signature.columns:
        found = types.get(column.name.casefold())
        if spelled.count(column.name.casefold()) > 1:
            message = (
                f"Column {column.name!r} is there more than once, in any case. Rename the others, "
                "or drop them."
            )
            raise SignatureError(message)
        if found is None:
            there = ", ".join(frame.columns[:20])
            message = f"Column {column.name!r} is missing. There are: {there}."
            raise SignatureError(message)
        kind = found.simpleString().partition("(")[0]
        if kind not in (*_KINDS[column.type], "void"):
            message = (
                f"Column {column.name!r} is {found.simpleString()}, and the model was trained on "
                f"{column.type}."
            )
            raise SignatureError(message)


def _by_functions(frame: Any, opened: OpenModel) -> Any:
    from pyspark.sql.functions import struct

    made = make_functions(frame.sparkSession, _packed(opened))
    rows = struct(*[frame[quoted(name)] for name in opened.bundle.model.signature.names])
    answers = [
        function(rows).alias(_ANSWERS[kind])
        for kind, function in made.functions.items()
        if kind in _ANSWERS
    ]
    return frame.select("*", *answers)


def _by_sql(frame: Any, opened: OpenModel) -> Any:
    model, target = opened.bundle.model, target_of("spark")
    query = compile_query(model, target, _SOURCE, keep=tuple(frame.columns))
    if query.tables:
        raise UnsupportedModelError(
            "The model", "its SQL reads tables of its own.", 'use route="function".'
        )
    # Spark formats the text to put the frame in: other braces are text.
    text = query.text.replace("{", "{{").replace("}", "}}").replace(_SOURCE, "{frame}")
    answered = frame.sparkSession.sql(text, frame=frame)
    kept = [answered[quoted(name)] for name in frame.columns]
    return answered.select(*kept, *_gathered(answered, model))


def _gathered(answered: Any, model: Model) -> list[Any]:
    """Gather the answers as the functions give them: vectors as arrays, classes as structs."""
    from pyspark.sql.functions import array, struct

    names = [name for name, _ in answer_names(model)]
    values = [answered[quoted(name)] for name in names if name.startswith("prediction")]
    gathered = [(values[0] if len(values) == 1 else array(*values)).alias("prediction")]
    shares = [answered[quoted(name)] for name in names if name.startswith("probability")]
    if len(shares) == 1:
        gathered.append(shares[0].alias("probability"))
    elif shares:
        labels = [str(label) for label in model.outputs.classes or ()]
        fields = [share.alias(label) for share, label in zip(shares, labels, strict=True)]
        gathered.append(struct(*fields).alias("probability"))
    return gathered


def quoted(name: str) -> str:
    """Write a name so that Spark takes it as it is."""
    return "`" + name.replace("`", "``") + "`"
