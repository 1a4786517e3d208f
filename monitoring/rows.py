"""The rows that a report counts, in one temporary table with names of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb

from ..udfs.duckdb.macros import literal, quote
from .binning import NUMBERS, Kind, Source, kind_of, value_of
from .drift import DriftColumn
from .errors import MonitoringError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..ir import Model
    from .discovery import Sources
    from .reference import Reference
    from .warehouse import Table, Warehouse

ROWS = "temp.foresql_report_rows"
_REFERENCE = "foresql: is reference"
_FLOATS = {"DOUBLE", "FLOAT"}


@dataclass(frozen=True, slots=True)
class Rows:
    """The temporary table, and what its columns mean.

    Its columns are ``moment``, ``is_reference``, ``score``, ``label``, ``outcome``
    and those that ``features`` and ``by`` name. ``task`` is ``binary``, ``classes``
    or ``value``. ``reference`` says in words which rows are the reference, or nothing.
    """

    task: str
    features: tuple[DriftColumn, ...]
    skipped: tuple[str, ...]
    by: Mapping[str, str]
    reference: str
    has_outcome: bool

    @property
    def source(self) -> Source:
        """The two sides, for drift."""
        return Source(ROWS, "is_reference")

    def grouped(self, by: Mapping[str, str]) -> Rows:
        """Give the same rows with other dimensions, columns of the temporary table."""
        return replace(self, by=by)


def task_of(model: Model, sources: Sources) -> str:
    """Say what the predictions are: probabilities of the second class, classes, or values."""
    classes = model.outputs.classes
    if classes is None:
        return "value"
    return "binary" if len(classes) == 2 and sources.score else "classes"  # noqa: PLR2004


def collect_rows(  # noqa: PLR0913 - keyword options of one call
    warehouse: Warehouse,
    sources: Sources,
    model: Model,
    name: str,
    *,
    by: Sequence[str] = (),
    reference: Reference | None = None,
) -> Rows:
    """Join the rows of a report into a temporary table.

    Raises
    ------
    MonitoringError
        If a key stands twice in the features or outcomes, or a condition cannot be used.
    """
    task = task_of(model, sources)
    features, skipped = _features(sources, model)
    at = _qualified(sources.time, sources) if sources.time else None
    outcome = _qualified(sources.outcome, sources) if sources.outcome else None
    wanted = _by(sources, by)
    parts = {
        "moment": f"CAST({at} AS TIMESTAMP)" if at else "CAST(NULL AS TIMESTAMP)",
        "is_reference": _is_reference(sources, reference),
        "score": f"CAST(p.{quote(sources.score)} AS DOUBLE)" if sources.score else "NULL::DOUBLE",
        "label": f"CAST(p.{quote(sources.label)} AS VARCHAR)" if sources.label else "NULL::VARCHAR",
        "outcome": _outcome(outcome, sources, model, task),
    }
    parts |= {f"feature_{i}": f"{each.expression}" for i, each in enumerate(features)}
    parts |= {f"by_{i}": expression for i, expression in enumerate(wanted.values())}
    selected = ", ".join(f"{expression} AS {column}" for column, expression in parts.items())
    only = f"WHERE {sources.of_model(name, 'p.')}"
    query = f"CREATE OR REPLACE TEMP TABLE foresql_report_rows AS SELECT {selected} FROM "
    try:
        warehouse.connection.execute(query + _joined(warehouse, sources, reference) + only)
    except duckdb.Error as error:
        raise MonitoringError(f"The rows of the report cannot be read: {error}") from error
    columns = tuple(
        DriftColumn(each.name, f"feature_{i}", each.kind, each.known)
        for i, each in enumerate(features)
    )
    named = {column: f"by_{i}" for i, column in enumerate(wanted)}
    words = reference.words if reference else ""
    return Rows(task, columns, skipped, named, words, outcome is not None)


def _features(sources: Sources, model: Model) -> tuple[list[DriftColumn], tuple[str, ...]]:
    """Find the model's columns in the features, and name those whose type cannot be compared."""
    if sources.features is None:
        return [], ()
    alias = "p" if sources.features is sources.predictions else "f"
    found: list[DriftColumn] = []
    skipped: list[str] = []
    for column in model.signature.columns:
        name = sources.features.find(column.name)
        kind = kind_of(sources.features.columns[name]) if name else None
        if name is None or kind is None:
            skipped.append(column.name)
            continue
        known = None
        if column.categories is not None and kind is Kind.CATEGORY:
            known = tuple(_as_text(each) for each in column.categories)
        found.append(DriftColumn(column.name, f"{alias}.{quote(name)}", kind, known))
    return found, tuple(skipped)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _by(sources: Sources, by: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in by:
        for table, alias in sources.aliases.items():
            if column := table.find(name):
                found[column] = f"CAST({alias}.{quote(column)} AS VARCHAR)"
                break
        else:
            tables = ", ".join(str(table) for table in sources.aliases)
            raise MonitoringError(f"--by names {name!r}, which is no column of {tables}.")
    return found


def _qualified(pair: tuple[Table, str], sources: Sources) -> str:
    return f"{sources.aliases[pair[0]]}.{quote(pair[1])}"


def _is_reference(sources: Sources, reference: Reference | None) -> str:
    if reference is None:
        return "CAST(NULL AS BOOLEAN)"
    return f"{sources.aliases[reference.table]}.{quote(_REFERENCE)}"


def _joined(warehouse: Warehouse, sources: Sources, reference: Reference | None) -> str:
    text = ""
    for table, alias in sources.aliases.items():
        relation = table.sql
        if reference is not None and reference.table == table:
            flag = f"CAST({reference.condition} AS BOOLEAN) AS {quote(_REFERENCE)}"
            relation = f"(SELECT *, {flag} FROM {table.sql})"
        if alias == "p":
            text += f"{relation} AS p "
            continue
        _check_key(warehouse, table, sources.key)
        pairs = [f"p.{quote(k)} = {alias}.{quote(table.column(k))}" for k in sources.key]
        text += f"LEFT JOIN {relation} AS {alias} ON {' AND '.join(pairs)} "
    return text


def _check_key(warehouse: Warehouse, table: Table, key: Sequence[str]) -> None:
    if not key:
        raise MonitoringError(
            f"{table} cannot be joined with the predictions.\n"
            "  What to do: name the columns that tell rows apart with --key."
        )
    columns = ", ".join(quote(table.column(each)) for each in key)
    twice = warehouse.connection.execute(
        f"SELECT 1 FROM {table.sql} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if twice:
        raise MonitoringError(
            f"{', '.join(key)} is no key of {table}: a value stands there in several rows, and "
            "their predictions would be counted several times.\n"
            "  What to do: name the key with --key, or other tables with --features and --outcome."
        )


def _class_as(label: str, expression: str, kind: str) -> str:
    """Write an outcome as the text that a label of SQL type ``label`` has where both are equal."""
    if kind == "BOOLEAN" and label.startswith(NUMBERS):
        return f"CAST(CAST(CAST({expression} AS INTEGER) AS {label}) AS VARCHAR)"
    if not kind.startswith(NUMBERS):
        return f"CAST({expression} AS VARCHAR)"
    number = value_of(expression, Kind.NUMBER)
    if label == "BOOLEAN":
        return (
            f"CASE {number} WHEN 1 THEN 'true' WHEN 0 THEN 'false' "
            f"ELSE CAST({number} AS VARCHAR) END"
        )
    if label in _FLOATS:
        return f"CAST(CAST({number} AS {label}) AS VARCHAR)"
    # An outcome that some rows lack is often stored as a real number.
    text = f"CAST({expression} AS VARCHAR)"
    return rf"CASE WHEN {number} IS NOT NULL THEN regexp_replace({text}, '\.0+$', '') END"


def _outcome(outcome: str | None, sources: Sources, model: Model, task: str) -> str:
    if outcome is None or sources.outcome is None:
        return "NULL::DOUBLE"
    kind = sources.outcome[0].columns[sources.outcome[1]]
    if task == "classes":
        return _class_as(sources.predictions.columns.get(sources.label or "", ""), outcome, kind)
    if task == "value":
        number = f"CAST({outcome} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind == "BOOLEAN":
        return f"CAST(CAST({outcome} AS INTEGER) AS DOUBLE)"
    classes: tuple[Any, ...] = model.outputs.classes or (1,)
    positive = literal(_as_text(classes[-1]))
    if kind.startswith("VARCHAR"):
        return f"CAST(CAST({outcome} = {positive} AS INTEGER) AS DOUBLE)"
    if isinstance(classes[-1], bool | str):
        positive = "1"
    same = f"CAST({outcome} AS DOUBLE) = CAST({positive} AS DOUBLE)"
    return f"CASE WHEN isfinite(CAST({outcome} AS DOUBLE)) THEN CAST({same} AS DOUBLE) END"
