"""A function of one query: called by a text of its own, without macros, and removed after it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import RegistrationError
from ..functions import functions_of
from ..recent import OnceScorer
from .macros import argument_of, call_udf, literal
from .native import native_calls
from .registration import create_udf, remove_udfs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from ...ir import Model
    from ...kernels import Scorer
    from .macros import Call


@dataclass(frozen=True, slots=True, eq=False)
class PrivateFunction:
    """A function that only its maker calls, with columns of the right types."""

    _connection: duckdb.DuckDBPyConnection
    _model: Model
    _udf: str | None
    _call: Call

    def call(self, arguments: Mapping[str, str]) -> str:
        """Write its call, from the SQL of each column of the model."""
        columns = self._model.signature.columns
        fields = ", ".join(
            f"{literal(column.name)}: "
            f"CAST({arguments[column.name]} AS {argument_of(self._model, column).passed})"
            for column in columns
        )
        return self._call(["{" + fields + "}"])

    def remove(self) -> None:
        """Remove it."""
        if self._udf is not None:
            remove_udfs(self._connection, [self._udf])


def make_private(
    connection: duckdb.DuckDBPyConnection, scorer: Scorer, kind: str, bundle: str | None = None
) -> PrivateFunction:
    """Make one function of a model, natively where the extension reads its ``bundle``."""
    functions, omitted = functions_of(OnceScorer(scorer))
    function = next((each for each in functions if each.kind == kind), None)
    if function is None:
        message = f"The model has no {kind}: {omitted.get(kind)}."
        raise RegistrationError(message)
    udf = f"foresql: rewrite the query again, its functions were closed ({secrets.token_hex(4)})"
    native = native_calls(connection, scorer.model, [function], {kind: udf}, bundle)
    if kind in native:
        return PrivateFunction(connection, scorer.model, None, native[kind])
    create_udf(connection, udf, function, scorer)
    return PrivateFunction(connection, scorer.model, udf, call_udf(udf))
