"""The route of plain SQL: the converted model as DuckDB's query, on probe rows of every group.

Other dialects are not run here. What is refused or too long is said, and stops no model.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import duckdb
import numpy as np
import pyarrow as pa

from ..errors import CertificationError, UnsupportedModelError
from ..ir import steps as s
from ..models_sql import UNCERTAIN_ROW, answer_names, compile_query, target_of
from ..udfs.duckdb import interruptible
from .compare import RELATIVE, RELATIVE_PROBABILITY, differences, label_doubts, matching_columns
from .oracle import Answers
from .sql_rounding import carry_sql_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..ir import Model
    from ..kernels import Scorer
    from ..kernels.columns import Values
    from .probes import Probe

SQL = "sql"
_SOURCE = "foresql_probes"
_MOST_ROWS = 2_000
"""The most rows of a group."""
_MOST_REFUSED = 2
"""The most rows that are asked one by one, each with a query of its own."""
_MOST_QUERIES = 15
"""The most queries for rows that the library answers."""
_MOST_NODES = 10_000
"""The most nodes of trees: DuckDB plans longer for more, and a gate asks more than once."""
_MOST_BYTES = 1_000_000
"""The longest query."""


@dataclass(slots=True)
class Seen:
    """What the library said in the gate: probes with its answers, and rows that it refuses."""

    answered: list[tuple[Probe, Answers]] = field(default_factory=list[tuple["Probe", Answers]])
    refused: list[Probe] = field(default_factory=list["Probe"])


class Held(NamedTuple):
    """How SQL was held against the library: why it was not, and the largest difference."""

    refusal: str | None
    largest: float


class _EndedError(Exception):
    """The engine ended the query, and not for a row that the model refuses."""


class SqlRoute:
    """A model as a query of DuckDB."""

    def __init__(self, model: Model, connection: duckdb.DuckDBPyConnection) -> None:
        """Compile the model.

        Raises
        ------
        UnsupportedModelError
            If a step has no SQL, or the query would be too long to be run here.
        """
        trees = [step.trees for step in model.steps if isinstance(step, s.Forest | s.LinearForest)]
        nodes = sum(len(each.feature) for each in trees)
        if nodes > _MOST_NODES:
            _refuse(f"{nodes:,} nodes of trees, and the gate takes up to {_MOST_NODES:,}")
        self._model = model
        self._connection = connection
        self._row = _free_name(model)
        self.query = compile_query(model, target_of("duckdb"), _SOURCE, keep=(self._row,))
        if len(self.query.text) > _MOST_BYTES:
            size = len(self.query.text)
            _refuse(f"a query of {size:,} bytes, and the gate takes up to {_MOST_BYTES:,}")

    def __call__(self, table: pa.Table) -> Answers | str:
        """Give the answers for a table, or the message with which it refuses a row."""
        numbers = pa.array(np.arange(len(table)))
        self._connection.register(_SOURCE, table.append_column(self._row, numbers))
        for each in self.query.tables:
            self._connection.register(each.name, each.data)
        try:
            rows = self._connection.execute(self.query.text).fetchall()
        except duckdb.Error as error:
            if "foresql: " in str(error):
                return str(error)
            raise _EndedError(str(error).partition("\n")[0]) from error
        return self._answers(sorted(rows, key=itemgetter(0)))

    def _answers(self, rows: list[tuple[Any, ...]]) -> Answers:
        """Take rows apart, the first cell of which is their number."""
        outputs = self._model.outputs
        columns = list(zip(*rows, strict=True))[1:]
        values, end = len(outputs.prediction), len(columns) - len(outputs.margins)
        if outputs.classes is None:
            prediction = _numbers(columns[:values])
        else:
            prediction = np.empty(len(rows), object)
            prediction[:] = columns[0]
        return Answers(prediction, _numbers(columns[values:end]), _numbers(columns[end:]))


def hold_sql(model: Model, scorer: Scorer, seen: Seen) -> Held:
    """Hold a model's query against what the library said.

    An answer that is exact has the kernel's bits, and any is as near to the library's as the errors
    of functions, carried through the steps, allow.

    Raises
    ------
    CertificationError
        At the first row that differs.
    """
    with interruptible(duckdb.connect()) as connection:
        try:
            route = SqlRoute(model, connection)
            largest = _hold_answers(route, model, scorer, seen)
            for probe in seen.refused[:_MOST_REFUSED]:
                if not isinstance(route(probe.table), str):
                    _fail(probe, 0, "answers a row that the library refuses")
        except UnsupportedModelError as error:
            what = error.step.partition(" in SQL for ")[0]
            return Held(f"{what}: {error.reason.removesuffix('.')}", 0.0)
        except _EndedError as error:
            return Held(f"DuckDB ended the query: {error}", 0.0)
    return Held(None, largest)


def _hold_answers(route: SqlRoute, model: Model, scorer: Scorer, seen: Seen) -> float:
    """Ask for all groups at once: a query is planned for longer than it runs."""
    parts = [(probe, probe.table.slice(0, _MOST_ROWS), told) for probe, told in seen.answered]
    if not parts:
        return 0.0
    schema = _schema(model, parts[0][1])
    whole = pa.concat_tables([_as(schema, table) for _, table, _ in parts])
    is_told, ours = _ask(route, whole, parts[0][0])
    largest, start, first = 0.0, 0, 0
    for probe, table, told in parts:
        rows = is_told[start : start + len(table)]
        start += len(table)
        if not rows.any():
            continue
        end = first + int(rows.sum())
        mine, theirs = _taken(ours, slice(first, end)), _taken(told, np.flatnonzero(rows))
        first = end
        asked = replace(probe, table=table.filter(pa.array(rows)))
        values = scorer.run(scorer.decoder.decode(asked.table))
        _hold_bits(route, asked, mine, values, model)
        largest = max(largest, _hold_group(asked, mine, theirs, values, model))
    return largest


def _ask(route: SqlRoute, whole: pa.Table, probe: Probe) -> tuple[NDArray[np.bool_], Answers]:
    """Ask for all rows, and say for which there are answers.

    A row whose answer SQL cannot tell for certain ends a query: its halves are asked then, in so
    many queries, and the rest is left out.
    """
    is_told = np.zeros(len(whole), np.bool_)
    waiting, found = deque([(0, len(whole))]), list[tuple[int, Answers]]()
    for _ in range(_MOST_QUERIES):
        if not waiting:
            break
        start, end = waiting.popleft()
        answers = route(whole.slice(start, end - start))
        if not isinstance(answers, str):
            found.append((start, answers))
            is_told[start:end] = True
        elif UNCERTAIN_ROW not in answers:
            _fail(probe, 0, f"refuses rows that the library answers ({answers})")
        elif end - start > 1:
            middle = (start + end) // 2
            waiting.extend([(start, middle), (middle, end)])
    if not found:
        _refuse("no probe rows whose answers are certain in SQL")
    ordered = [answers for _, answers in sorted(found, key=itemgetter(0))]
    return is_told, Answers(
        np.concatenate([each.prediction for each in ordered]),
        np.concatenate([each.probabilities for each in ordered]),
        np.concatenate([each.margins for each in ordered]),
    )


def _hold_bits(route: SqlRoute, probe: Probe, ours: Answers, values: Values, model: Model) -> None:
    """Hold exact numbers against the kernel's, bit for bit."""
    labels = model.outputs.classes is not None
    found = [*(() if labels else ours.prediction.T), *ours.probabilities.T, *ours.margins.T]
    names = [pair for pair in answer_names(model) if not labels or pair[0] != "prediction"]
    for mine, (name, column) in zip(found, names, strict=True):
        kernel = values.numbers(column)
        differs = ~((mine == kernel) | (np.isnan(mine) & np.isnan(kernel)))
        if name not in route.query.approximate and differs.any():
            row = int(np.argmax(differs))
            _fail(probe, row, f"gives {name} {mine[row]!r}, and the kernel {kernel[row]!r}")


def _hold_group(
    probe: Probe, ours: Answers, theirs: Answers, values: Values, model: Model
) -> float:
    """Hold a group against the library, and give the largest relative difference."""
    outputs = model.outputs
    if outputs.classes is not None:
        _hold_labels(probe, ours, theirs, values, model)
    pairs = [("raw score", ours.margins, theirs.margins, outputs.margins, RELATIVE)]
    theirs_of = matching_columns(theirs.probabilities, ours.probabilities)
    if outputs.classes is None:
        shape = (len(ours.prediction), -1)
        told = theirs.prediction.reshape(shape).astype(np.float64)
        pairs.append(("prediction", ours.prediction, told, outputs.prediction, RELATIVE))
    pairs.append(
        ("probability", ours.probabilities, theirs_of, outputs.probabilities, RELATIVE_PROBABILITY)
    )
    largest = 0.0
    for what, mine, told, names, relative in pairs:
        if not mine.size or not told.size:
            continue
        bound = _bound(model, values, names)
        gap, row = differences(mine, told, bound, exact=False, relative=relative)
        if row is not None:
            _fail(probe, row, f"gives the {what} {mine[row]!r}, and the library {told[row]!r}")
        largest = max(largest, gap)
    return largest


def _hold_labels(
    probe: Probe, ours: Answers, theirs: Answers, values: Values, model: Model
) -> None:
    pairs = zip(ours.prediction.tolist(), theirs.prediction.tolist(), strict=True)
    differs = np.array([mine != told for mine, told in pairs], np.bool_)
    if not differs.any():
        return
    doubts = label_doubts(model, values, carry_sql_errors)
    differs &= ~(doubts.ties | doubts.overflows)
    if differs.any():
        row = int(np.argmax(differs))
        mine, told = ours.prediction[row], theirs.prediction[row]
        _fail(probe, row, f"gives the label {mine!r}, and the library {told!r}")


def _bound(model: Model, values: Values, names: tuple[str, ...]) -> NDArray[np.float64] | None:
    """How far each row's answers may be off: the sums of the library, and the functions of SQL."""
    errors: dict[str, NDArray[np.float64]] = {}
    with np.errstate(all="ignore"):
        for step in model.steps:
            carry_sql_errors(step, values, errors)
    found = [errors[name] for name in names if name in errors]
    return np.max(found, axis=0) if found else None


def _schema(model: Model, table: pa.Table) -> pa.Schema:
    """Give the types of the first group, whose columns the others may hold as categories."""
    fields: Iterator[pa.Field[Any]] = (table.schema.field(name) for name in model.signature.names)
    return pa.schema(
        [
            pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
            for f in fields
        ]
    )


def _as(schema: pa.Schema, table: pa.Table) -> pa.Table:
    return table.select(schema.names).cast(schema)


def _taken(answers: Answers, rows: slice | NDArray[np.intp]) -> Answers:
    parts = (answers.prediction, answers.probabilities, answers.margins)
    return Answers(*(part[rows] if part.size else part for part in parts))


def _numbers(columns: list[tuple[Any, ...]]) -> NDArray[np.float64]:
    """Stack columns, float64[rows, columns], with NaN for NULL."""
    return np.array(columns, np.float64).T if columns else np.empty((0, 0))


def _free_name(model: Model) -> str:
    taken = {name.casefold() for name in model.signature.names}
    taken |= {name.casefold() for name, _ in answer_names(model)}
    name = "row"
    while name in taken:
        name += "_"
    return name


def _refuse(reason: str) -> NoReturn:
    raise UnsupportedModelError("The model", f"it has {reason}.", "use the UDF.")


def _fail(probe: Probe, row: int, what: str) -> NoReturn:
    shown = probe.table.slice(row, 1).to_pylist()[0]
    message = (
        f"Route {SQL} {what}, on row {row} of the {probe.name} probe rows: {shown}. The model is "
        "not published: this is a defect of foresql; please report it."
    )
    raise CertificationError(message)
