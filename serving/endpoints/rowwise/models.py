"""Calls of models in a plan: one scoring for each row and arguments, by the model's own kernel."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ....ir import steps as s
from ....kernels import RowScorer
from ....udfs.answers import PREDICT, PROBA, labels_of
from .refusing import Refused
from .types import BOOLEAN, DOUBLE, NUMBERS, STRUCT, TIMESTAMP, VARCHAR, Type, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ....kernels import Scorer
    from ....scoring.rewriting.syntax import Node
    from .expressions import Columns, Expressions
    from .types import Closure

_MARK = re.compile(r"(\w+): register the model in this process first \((\w+) [0-9a-f]{8}\)")
_TAKEN = {DOUBLE, "BIGINT", VARCHAR, BOOLEAN, TIMESTAMP}
_BINARY = 2
UNSET = object()
"""What a cell holds before its row was scored."""


class RowModel(NamedTuple):
    """A model that a query may call, and its version, which ``version_<model>()`` gives."""

    scorer: Scorer
    version: int | None


class ModelCalls:
    """Compiles the calls of models."""

    def __init__(self, models: Mapping[str, RowModel], new_cell: Callable[[], int]) -> None:
        """Take models by their predicting functions, and what gives cells of a row."""
        self._models = {name.casefold(): model for name, model in models.items()}
        self._new_cell = new_cell
        self._rows: dict[str, RowScorer] = {}
        self._scored: dict[tuple[str, str], Closure] = {}

    @staticmethod
    def is_model(function: str) -> bool:
        """Whether a function of a plan is a model's."""
        return _MARK.fullmatch(function) is not None

    def compile(
        self, function: str, argument: Node, columns: Columns, expressions: Expressions
    ) -> Value:
        """Compile a call: the plan has checked and cast the model's columns, in their order."""
        found = _MARK.fullmatch(function)
        assert found is not None  # noqa: S101 - asked before
        name, kind = found[1].casefold(), found[2]
        scorer = self._models[name].scorer
        if kind not in _ANSWERS:
            raise Refused(f"{kind} of the model {name}")
        if any(isinstance(step, s.Whole) for step in scorer.model.steps):
            raise Refused(f"the model {name}, which its own library scores in batches,")
        scored = self._scoring(name, scorer, argument, columns, expressions)
        return _ANSWERS[kind](scorer, scored)

    def _scoring(
        self, name: str, scorer: Scorer, argument: Node, columns: Columns, expressions: Expressions
    ) -> Closure:
        """Give what scores a row once, however often and as what the query asks for it."""
        if argument.get("qname", {}).get("path", [""])[-1] != "struct_pack":
            raise Refused(f"a row of many columns for the model {name}")
        values = [expressions.compile(child, columns) for child in argument["children"]]
        for value in values:
            if value.type.name not in _TAKEN:
                raise Refused(f"a column of type {value.type} for the model {name}")
        key = name, _written(argument, columns)
        if key not in self._scored:
            rows = self._rows.setdefault(name, RowScorer(scorer))
            runs = tuple(value.run for value in values)
            self._scored[key] = _once(rows.answers, runs, self._new_cell())
        return self._scored[key]


def _written(node: Node, columns: Columns) -> str:
    """Write arguments so that the same text is the same value."""

    def told(part: Any) -> Any:
        if isinstance(part, list):
            return [told(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.get("expression_class") == "BOUND_REF":
            return id(columns(part.get("index", 0)).run)
        skipped = ("alias", "query_location", "query_location_length")
        return {name: told(each) for name, each in part.items() if name not in skipped}

    return json.dumps(told(node), sort_keys=True)


def _once(answers: Callable[[Any], Any], runs: tuple[Closure, ...], cell: int) -> Closure:
    def run(cells: list[Any]) -> list[float]:
        found = cells[cell]
        if found is UNSET:
            # The scorer overwrites its answers with the next row's.
            found = cells[cell] = list(answers([one(cells) for one in runs]))
        return found

    return run


def _prediction(scorer: Scorer, scored: Closure) -> Value:
    outputs = scorer.model.outputs
    if outputs.classes is not None:
        labels = pa.array(outputs.classes)
        given = labels.to_pylist()
        return Value(_type_of(labels.type), lambda cells: given[int(scored(cells)[0])])
    width = len(outputs.prediction)
    if width > 1:
        return Value(Type(NUMBERS), lambda cells: tuple(scored(cells)[:width]))
    return Value(Type(DOUBLE), lambda cells: scored(cells)[0])


def _type_of(arrow: pa.DataType) -> Type:
    for is_type, name in (
        (pa.types.is_boolean, BOOLEAN),
        (pa.types.is_int64, "BIGINT"),
        (pa.types.is_float64, DOUBLE),
        (pa.types.is_string, VARCHAR),
    ):
        if is_type(arrow):
            return Type(name)
    raise Refused(f"labels of type {arrow}")


def _probabilities(scorer: Scorer, scored: Closure) -> Value:
    first = len(scorer.model.outputs.prediction)
    labels = labels_of(scorer.model)
    if len(labels) == _BINARY:
        return Value(Type(DOUBLE), lambda cells: scored(cells)[first + 1])
    places = [(label, first + place) for place, label in enumerate(labels)]

    def run(cells: list[Any]) -> dict[str, float]:
        answers = scored(cells)
        return {label: answers[place] for label, place in places}

    return Value(Type(STRUCT, fields=tuple((label, Type(DOUBLE)) for label in labels)), run)


_ANSWERS: Mapping[str, Callable[[Scorer, Closure], Value]] = {
    PREDICT: _prediction,
    PROBA: _probabilities,
}
