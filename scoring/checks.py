"""Check an input's columns against a model, before a row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ..errors import SignatureError
from ..udfs.duckdb.macros import Place, argument_of, check_macros, features_struct, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..ir import Column, Model

FEATURES = "__foresql_features"
_CHECKS = Place("predict", is_temporary=True)


def carried_columns(
    there: Sequence[str], model: Model, columns: Sequence[str] | None, added: Iterable[str]
) -> list[str]:
    """Give the input's columns that go to the output, in its order: all, or those asked for.

    Raises
    ------
    SignatureError
        If the input lacks a column, or one is called like a column that scoring adds.
    """
    folded = {name.casefold() for name in there}
    lacking = [name for name in model.signature.names if name.casefold() not in folded]
    if lacking:
        message = f"The input lacks columns that the model reads: {lacking[:10]}."
        raise SignatureError(message)
    unknown = [name for name in columns or () if name.casefold() not in folded]
    if unknown:
        message = f"The input lacks columns that the output should have: {unknown[:10]}."
        raise SignatureError(message)
    wanted = folded if columns is None else {name.casefold() for name in columns}
    clash = sorted(set(added) & wanted)
    if clash:
        message = (
            f"The input already has columns {clash}, which scoring adds; rename them first, or "
            "leave them out of columns= (--columns)."
        )
        raise SignatureError(message)
    return [name for name in there if name.casefold() in wanted]


def projected(
    relation: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    carried: Sequence[str],
) -> duckdb.DuckDBPyRelation:
    """Select the columns that are carried over, and the model's own as one struct of its types.

    Raises
    ------
    SignatureError
        If a column is of a type that the model does not read.
    """
    for statement in check_macros(_CHECKS, model):
        connection.execute(statement)
    selected = [f"source_row.{quote(name)}" for name in carried]
    selected.append(f"{features_struct(_CHECKS, model, 'source_row.')} AS {quote(FEATURES)}")
    try:
        return relation.set_alias("source_row").project(", ".join(selected))
    except duckdb.BinderException as error:
        raise SignatureError(_explained(str(error), relation, model)) from error


def _explained(error: str, relation: duckdb.DuckDBPyRelation, model: Model) -> str:
    """Say which column is of the wrong type: DuckDB names the check that took none of its type."""
    types = {
        name.casefold(): kind for name, kind in zip(relation.columns, relation.types, strict=True)
    }
    for column in model.signature.columns:
        check = quote(f"{_CHECKS.name}: column {column.name} must be ")
        _, found, rest = error.partition(f"Macro {check[:-1]}")
        if found:
            wanted, kind = rest.partition('"')[0], types[column.name.casefold()]
            return f"Column {column.name!r} must be {wanted}, and it is {kind}."
    return error


def is_direct(schema: pa.Schema, model: Model, carried: Iterable[str]) -> bool:
    """Whether Arrow's columns mean to the kernel what DuckDB's casts would make of them.

    The others, such as decimals that the model reads, times that are keys, and what is nested, go
    through DuckDB.
    """
    names = [name.casefold() for name in schema.names]
    if len(set(names)) < len(names):
        return False
    fields = {field.name.casefold(): field.type for field in schema}
    is_plain = all(_is_plain(fields[name.casefold()]) for name in carried)
    return is_plain and all(
        _is_readable(fields[column.name.casefold()], column, model)
        for column in model.signature.columns
    )


def _is_readable(kind: pa.DataType, column: Column, model: Model) -> bool:
    match argument_of(model, column).accepts:
        case "DOUBLE":
            return pa.types.is_integer(kind) or _is_float(kind)
        case "HUGEINT":
            return pa.types.is_integer(kind) and kind != pa.uint64()
        case "BOOLEAN":
            return pa.types.is_boolean(kind)
        case "VARCHAR":
            return is_text(kind)
        case _:
            return False


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    plain = (types.is_integer, types.is_boolean, types.is_date32, types.is_timestamp)
    more = (_is_float, is_text, types.is_decimal128)
    return any(is_kind(kind) for is_kind in (*plain, *more))


def _is_float(kind: pa.DataType) -> bool:
    return kind in {pa.float32(), pa.float64()}


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, as it is or as codes of a dictionary."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(plain) or pa.types.is_large_string(plain)
