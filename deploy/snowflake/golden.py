"""Golden rows as SQL: statements that end with an error where Snowflake answers otherwise.

The rows and answers are the library's own, kept in the bundle. A row passes if each answer lies
between two numbers: the same one for sums of trees, else as far apart as the certificate allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...certify.compare import (
    RELATIVE,
    RELATIVE_PROBABILITY,
    label_doubts,
    rounding_bound,
)
from ...certify.golden import Golden
from ...certify.rounding import has_sums
from ...errors import ForesqlError
from ...kernels import Scorer
from ...kernels.contributions import Explainer
from ...kernels.intervals import conformal_widths
from ...udfs.answers import EXPLAIN, INTERVAL, PREDICT, PROBA, labels_of, margin_names
from ...udfs.snowflake.literals import is_certain
from .golden_sql import Between, Equal, GoldenRows, GoldenTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ...ir.bundle import Bundle
    from ...udfs.snowflake.functions import ServedFunction
    from .golden_sql import Expected

    Floats = NDArray[np.float64]

LEVEL = 0.9
"""The level of confidence at which intervals are checked."""
_EXPLAINED = 400
"""The most contributions that are checked."""
_EXPLAIN_RELATIVE = 1e-12


def golden_rows(bundle: Bundle) -> GoldenRows:
    """Take the golden rows of a bundle with the bounds of each answer.

    Rows that no literal surely holds, and those whose label hangs on a rounding, are left out.

    Raises
    ------
    ForesqlError
        If the bundle has none.
    """
    golden = Golden.kept(bundle.card)
    model = bundle.model
    if golden.rows:
        types = [column.type for column in model.signature.columns]
        table = golden.table(model)
        scorer = Scorer(model, None)
        values = scorer.run(scorer.decoder.decode(table))
        doubts = label_doubts(model, values)
        kept = [
            index
            for index, row in enumerate(golden.rows)
            if not (doubts.ties[index] or doubts.overflows[index])
            and all(map(is_certain, row, types))
        ]
        if kept:
            return GoldenRows(model, golden, values, tuple(kept))
    raise ForesqlError(
        "The bundle holds no golden rows that Snowflake could be held against. Publish the model "
        "again with this version of foresql."
    )


def golden_table(rows: GoldenRows, functions: Sequence[ServedFunction]) -> GoldenTable:
    """Say what each function must answer for the rows."""
    expected = [
        (function, each)
        for function in functions
        for each in _EXPECTED[function.kind](rows, function)
    ]
    return GoldenTable(rows, tuple(functions), tuple(expected))


def explained_rows(rows: GoldenRows) -> GoldenRows:
    """Take the first rows, as many as have contributions enough to check."""
    model = rows.model
    each = (len(model.signature.names) + 1) * max(len(model.outputs.margins), 1)
    return rows.first(max(1, _EXPLAINED // each))


def _predictions(rows: GoldenRows, _: ServedFunction) -> Iterator[Expected]:
    outputs = rows.model.outputs
    given = [rows.golden.prediction[index] for index in rows.kept]
    if outputs.classes is not None:
        yield Equal(outputs.label_type, tuple(given))
        return
    predicted = np.array(given, np.float64).reshape(len(given), -1)
    allowed = _allowed(rows, predicted, RELATIVE)
    if _is_sum_of_trees(rows, predicted):
        allowed = np.zeros_like(predicted)
    paths = [()] if predicted.shape[1] == 1 else [(i,) for i in range(predicted.shape[1])]
    for column, path in enumerate(paths):
        yield between(path, predicted[:, column], allowed[:, column])


def _is_sum_of_trees(rows: GoldenRows, predicted: Floats) -> bool:
    """Whether predictions are raw scores without a rounding of their own."""
    outputs = rows.model.outputs
    if outputs.prediction != outputs.margins or has_sums(rows.model):
        return False
    ours = np.stack([rows.values.numbers(name) for name in outputs.prediction], axis=1)
    return bool(np.array_equal(ours[list(rows.kept)], predicted, equal_nan=True))


def _probabilities(rows: GoldenRows, function: ServedFunction) -> Iterator[Expected]:
    given = np.array([rows.golden.probabilities[index] for index in rows.kept], np.float64)
    allowed = _allowed(rows, given, RELATIVE_PROBABILITY)
    labels = labels_of(rows.model)
    if function.returns == "FLOAT":
        yield between((), given[:, 1], allowed[:, 1])
        return
    for column, label in enumerate(labels):
        yield between((label,), given[:, column], allowed[:, column])


def _contributions(rows: GoldenRows, _: ServedFunction) -> Iterator[Expected]:
    model = rows.model
    found = Explainer(model).explain(rows.values)
    kept = list(rows.kept)
    names = margin_names(model)
    for margin, (base, parts) in enumerate(zip(found.base, found.contributions, strict=True)):
        above = () if len(names) == 1 else (names[margin],)
        part = parts[:, kept]
        sizes = np.maximum(np.nanmax(np.abs(part), axis=0, initial=0.0), abs(base))
        allowed = np.maximum(sizes * _EXPLAIN_RELATIVE, np.finfo(np.float64).tiny)
        fixed = np.full(len(kept), base)
        yield between((*above, "base_value"), fixed, allowed)
        for name, contribution in zip(model.signature.names, part, strict=True):
            yield between((*above, "contributions", name), contribution, allowed)


def _intervals(rows: GoldenRows, _: ServedFunction) -> Iterator[Expected]:
    kept = list(rows.kept)
    predicted = np.array([rows.golden.prediction[index] for index in kept], np.float64).ravel()
    width = float(conformal_widths(rows.model.residuals, np.array([LEVEL]))[0])
    allowed = _allowed(rows, predicted[:, None], RELATIVE)[:, 0]
    for key, answer in (("low", predicted - width), ("high", predicted + width)):
        yield between((key,), answer, np.maximum(allowed, np.spacing(np.abs(answer))))


_EXPECTED = {
    PREDICT: _predictions,
    PROBA: _probabilities,
    EXPLAIN: _contributions,
    INTERVAL: _intervals,
}


def _allowed(rows: GoldenRows, answers: Floats, relative: float) -> Floats:
    """Give how far an answer may be off: as far as the gate allows."""
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = np.maximum(np.abs(answers) * relative, np.spacing(np.abs(answers)))
    bound = rounding_bound(rows.model, rows.values)
    if bound is not None:
        allowed = np.maximum(allowed, bound[list(rows.kept), None])
    return np.where(np.isfinite(allowed), allowed, 0.0)


def between(path: tuple[str | int, ...], answers: Floats, allowed: Floats) -> Between:
    """Expect numbers that are no farther from the answers than is allowed."""
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = answers - allowed, answers + allowed
    # A difference that was rounded inwards would refuse the last of what is allowed.
    is_wide = allowed > 0
    low = np.where(is_wide, np.nextafter(low, -np.inf), low)
    high = np.where(is_wide, np.nextafter(high, np.inf), high)
    return Between(path, tuple(low.tolist()), tuple(high.tolist()))
