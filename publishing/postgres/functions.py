"""A version of a model as functions of Postgres, before anything is made there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import UnsupportedModelError
from ...ir import ColumnType
from ...models_sql import target_of
from ...udfs.answers import PREDICT, PROBA
from ..compiled import compile_model
from .session import quoted
from .types import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..compiled import Compiled
    from ..models import ServedModel

SCORE, VERSION = "score", "version"
MOST_ARGUMENTS = 100
"""Postgres's own limit."""
_TARGET = target_of("postgres")
_ANSWERS = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFunction:
    """A function of one version; ``asdict`` of it is kept in the function's comment.

    Attributes
    ----------
    function, kind
        The predicting function that readers call, and which of its family this is.
    called
        The name that readers call it by.
    columns
        The model's columns with their types in Postgres.
    returns
        The type, or the columns of the table, that it returns.
    """

    function: str
    kind: str
    called: str
    version: int
    columns: tuple[tuple[str, str], ...]
    returns: str
    fields: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name it by its version."""
        return f"{self.called}_v{self.version}"

    @property
    def parameters(self) -> str:
        """Write its parameters."""
        return ", ".join(f"{quoted(name)} {kind}" for name, kind in self.columns)

    @property
    def types(self) -> str:
        """List the types of its parameters, which tell it from functions of the same name."""
        return ", ".join(kind for _, kind in self.columns)

    @property
    def mark(self) -> str:
        """Write what the comment keeps."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, document: dict[str, Any]) -> VersionFunction:
        """Read what a comment keeps."""
        return cls(
            function=str(document["function"]),
            kind=str(document["kind"]),
            called=str(document["called"]),
            version=int(document["version"]),
            columns=tuple((str(name), str(kind)) for name, kind in document["columns"]),
            returns=str(document["returns"]),
            fields=tuple(map(str, document["fields"])),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PostgresModel:
    """A model that is going to be published."""

    served: ServedModel
    compiled: Compiled
    functions: tuple[tuple[VersionFunction, str], ...] = field(repr=False)
    """Each with the query of its body."""

    @property
    def version(self) -> int:
        """The version."""
        return self.served.opened.version or 0


def compile_functions(served: ServedModel) -> PostgresModel:
    """Write a model's functions.

    Raises
    ------
    UnsupportedModelError
        If the model has no exact SQL in Postgres, needs tables of its own, or is too wide.
    PublishingError
        If a name is too long.
    """
    model = served.opened.bundle.model
    columns = model.signature.columns
    if len(columns) > MOST_ARGUMENTS:
        raise _refusal(
            served, f"it reads {len(columns)} columns; a function takes {MOST_ARGUMENTS}."
        )
    given = ", ".join(
        f"${index} AS {quoted(column.name)}" for index, column in enumerate(columns, start=1)
    )
    compiled = compile_model(model, _TARGET, f"(SELECT {given}) AS given")
    if compiled.query.tables:
        raise _refusal(served, "it lives in tables of its own.")
    functions = tuple(_functions(served, compiled))
    for function, _ in functions:
        check_name(function.name, f"the function {function.name}")
    return PostgresModel(served, compiled, functions)


def _refusal(served: ServedModel, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{served.title} as a function of Postgres",
        reason,
        "publish its predictions as a table, and leave it out of --models.",
    )


def _functions(served: ServedModel, compiled: Compiled) -> Iterator[tuple[VersionFunction, str]]:
    model = compiled.model
    columns = tuple((column.name, _TARGET.types[column.type]) for column in model.signature.columns)
    label = model.outputs.label_type if model.outputs.classes is not None else ColumnType.DOUBLE
    double, labels = _TARGET.types[ColumnType.DOUBLE], _TARGET.types[label]
    query = compiled.query.text

    def function(kind: str, returns: str, fields: tuple[str, ...] = ()) -> VersionFunction:
        return VersionFunction(
            function=served.function,
            kind=kind,
            called=served.name(kind),
            version=served.opened.version or 0,
            columns=columns,
            returns=returns,
            fields=fields,
        )

    for kind, names, scalar in (
        (PREDICT, compiled.prediction, labels),
        (PROBA, compiled.probabilities, double),
    ):
        if names:
            listed = ", ".join(f"{_ANSWERS}.{quoted(name)}" for name in names)
            answer = listed if len(names) == 1 else f"ARRAY[{listed}]"
            returns = scalar if len(names) == 1 else f"{scalar}[]"
            body = f"SELECT {answer} FROM (\n{query}\n) AS {_ANSWERS}"
            yield function(kind, returns), body
    fields = ", ".join(
        f"{quoted(name)} {labels if name in compiled.prediction else double}"
        for name in compiled.query.columns
    )
    yield function(SCORE, f"TABLE ({fields})", compiled.query.columns), query
