"""Whether published functions answer as the kernel does, on rows that the bundle keeps."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..certify.golden import Golden
from ..certify.probes import table_of
from ..errors import PublishingError, ScoringError
from ..kernels import Scorer
from ..udfs.functions import predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from .compiled import Compiled
    from .models import ServedModel

    Ask = Callable[[pa.Table], list[tuple[Any, ...]]]

_ROWS = 8
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


class EngineRefusalError(Exception):
    """The engine ended a query, as it may for a row: at an overflow, or because the model does."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How many rows were asked, and how many the engine refused to answer."""

    compared: int
    refused: int


def prove(served: ServedModel, compiled: Compiled, ask: Ask) -> Proof:
    """Compare what functions answer with the kernel: the same bits where the SQL is exact.

    Parameters
    ----------
    served, compiled
        The model, and its SQL.
    ask
        Gives the prediction of each row of a table, and behind it each probability.

    Raises
    ------
    PublishingError
        If an answer is not the kernel's, or no row could be asked.
    """
    bundle = served.opened.bundle
    golden = Golden.from_json(bundle.card.get("golden") or _NONE)
    if not golden.rows:
        return Proof(0, 0)
    table = table_of(bundle.model, [list(values) for values in zip(*golden.rows, strict=True)])
    scorer = Scorer(bundle.model, bundle.program)
    step = max(1, len(table) // _ROWS)
    rows = [table.slice(start, 1) for start in range(0, len(table), step)][:_ROWS]
    compared = 0
    for row, found in _answers(rows, ask):
        _compare(served, compiled, found, _expected(compiled, scorer, row))
        compared += 1
    if not compared:
        message = f"{served.function} answers none of the rows that {served.title} keeps."
        raise PublishingError(message)
    return Proof(compared, len(rows) - compared)


def _answers(rows: list[pa.Table], ask: Ask) -> Iterator[tuple[pa.Table, tuple[Any, ...]]]:
    """Ask for all rows at once, since a query may be planned for long; else for each."""
    import pyarrow as pa

    try:
        yield from zip(rows, ask(pa.concat_tables(rows)), strict=True)
    except EngineRefusalError:
        for row in rows:
            with suppress(EngineRefusalError):
                yield row, ask(row)[0]


_NONE: dict[str, Any] = {"columns": [], "rows": [], "prediction": [], "probabilities": []}


def _expected(compiled: Compiled, scorer: Scorer, row: pa.Table) -> list[Any]:
    try:
        scores = scorer.score(row)
    except ScoringError as error:
        message = f"The kernel refuses a row that the function answers: {error}"
        raise PublishingError(message) from error
    value = predictions(compiled.model, scores)[0].as_py()
    given = list(value) if isinstance(value, list) else [value]
    if not compiled.probabilities:
        return given
    probabilities = scores.probabilities[0].tolist()
    return [*given, *(probabilities if compiled.labels else probabilities[1:])]


def _compare(
    served: ServedModel, compiled: Compiled, found: Sequence[Any], expected: Sequence[Any]
) -> None:
    columns = (*compiled.prediction, *compiled.probabilities)
    for name, mine, theirs in zip(columns, found, expected, strict=True):
        if not _agrees(mine, theirs, is_exact=name in compiled.exact):
            message = (
                f"{served.function} answers {name} {mine!r}, and {served.title} is {theirs!r}. "
                "Nothing was published. This is a defect of foresql: please report it."
            )
            raise PublishingError(message)


def _agrees(mine: Any, theirs: Any, *, is_exact: bool) -> bool:
    if not isinstance(theirs, float):
        return bool(mine == theirs)
    if mine is None or math.isnan(mine):
        return math.isnan(theirs)
    if is_exact:
        return mine.hex() == theirs.hex()
    return math.isclose(mine, theirs, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
