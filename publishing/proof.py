"""Whether published functions answer as the kernel does, on rows that the bundle keeps."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..certify.golden import Golden
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


def prove(served: ServedModel, compiled: Compiled, ask: Ask) -> None:
    """Compare what functions answer with the kernel: the same bits where the SQL is exact.

    Parameters
    ----------
    served, compiled
        The model, and its SQL.
    ask
        Gives the answers of each row of a table: the prediction, and probabilities if any.

    Raises
    ------
    PublishingError
        If an answer is not the kernel's, or no row could be asked.
    """
    bundle = served.opened.bundle
    golden = Golden.kept(bundle.card)
    if not golden.rows:
        return
    table = golden.table(bundle.model)
    scorer = Scorer(bundle.model, bundle.program)
    step = max(1, len(table) // _ROWS)
    rows = [table.slice(start, 1) for start in range(0, len(table), step)][:_ROWS]
    is_asked = False
    for row, found in _answers(rows, ask):
        flat = [value for answer in found for value in _flat(answer)]
        _compare(served, compiled, flat, _expected(compiled, scorer, row))
        is_asked = True
    if not is_asked:
        message = f"{served.function} answers none of the rows that {served.title} keeps."
        raise PublishingError(message)


def _answers(rows: list[pa.Table], ask: Ask) -> Iterator[tuple[pa.Table, tuple[Any, ...]]]:
    """Ask for all rows at once, since a query may be planned for long; else for each."""
    import pyarrow as pa

    try:
        yield from zip(rows, ask(pa.concat_tables(rows)), strict=True)
    except EngineRefusalError:
        for row in rows:
            with suppress(EngineRefusalError):
                yield row, ask(row)[0]


def _flat(answer: Any) -> Sequence[Any]:
    match answer:
        case dict():
            return list(answer.values())
        case list() | tuple():
            return answer
        case _:
            return [answer]


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
