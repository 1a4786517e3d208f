"""Golden rows of a bundle as an Arrow array, with the ends between which each answer lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..frontends.frames import CANONICAL
from .answers import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..ir import Model
    from ..ir.bundle import Bundle

_ENDS = pa.list_(pa.float64())


def golden_type(model: Model) -> pa.DataType:
    """Give the type of a golden row.

    ``features`` is what the model takes. ``label`` is what it predicts, where that is a label;
    else each predicted value lies between ``low`` and ``high``. ``probability_low`` and
    ``probability_high`` have a value a class.
    """
    features = pa.struct([(c.name, CANONICAL[c.type]) for c in model.signature.columns])
    classes = model.outputs.classes
    label = pa.int64() if classes is None else pa.array(classes).type
    ends = [(name, _ENDS) for name in ("low", "high", "probability_low", "probability_high")]
    return pa.struct([("number", pa.int64()), ("features", features), ("label", label), *ends])


def golden_array(bundle: Bundle) -> pa.Array:
    """Give the golden rows that certainly have one answer; none where the bundle keeps none."""
    model, golden = bundle.model, bundle.card.get("golden") or {}
    rows, prediction = golden.get("rows", ()), golden.get("prediction", ())
    is_label = model.outputs.classes is not None
    uncertain = frozenset((golden.get("allowed") or {}).get("uncertain", ()))
    low, high = _ends(bundle.card, "prediction", () if is_label else prediction)
    probability_low, probability_high = _ends(
        bundle.card, "probability", _asked(model, golden.get("probabilities", ()))
    )
    features = _features(model, rows)
    return pa.array(
        [
            {
                "number": number,
                "features": features[number],
                "label": prediction[number] if is_label else None,
                "low": low and low[number],
                "high": high and high[number],
                "probability_low": probability_low and probability_low[number],
                "probability_high": probability_high and probability_high[number],
            }
            for number in range(len(rows))
            if number not in uncertain
        ],
        golden_type(model),
    )


def _features(model: Model, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Give each row by name, in the columns' types: times are kept as microseconds."""
    columns: dict[str, list[Any]] = {}
    for index, column in enumerate(model.signature.columns):
        kind = CANONICAL[column.type]
        stored = pa.int64() if pa.types.is_timestamp(kind) else kind
        values = pa.array([_plain(row[index]) for row in rows], stored)
        columns[column.name] = values.cast(kind).to_pylist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _asked(model: Model, probabilities: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """Of two classes, functions give the second's probability alone."""
    is_binary = len(labels_of(model)) == 2  # noqa: PLR2004 - two
    return [row[1:] for row in probabilities] if is_binary else probabilities


def _ends(
    card: Mapping[str, Any], kind: str, kept: Sequence[Any]
) -> tuple[list[list[float]], list[list[float]]]:
    """Give the ends between which a row's answers lie; nothing where there are no answers."""
    answers = np.array(_plain(kept), np.float64)
    if not answers.size:
        return [], []
    answers = answers.reshape(len(answers), -1)
    allowed = card["golden"].get("allowed")
    if allowed is None:
        gap = _slack(card) * np.maximum(np.abs(answers), 1.0)
    else:
        gap = np.array(allowed[kind], np.float64)[:, None]
    finite = np.isfinite(answers)
    with np.errstate(invalid="ignore"):
        low = np.where(finite, np.nextafter(answers - gap, -np.inf), answers)
        high = np.where(finite, np.nextafter(answers + gap, np.inf), answers)
    return low.tolist(), high.tolist()


def _slack(card: Mapping[str, Any]) -> float:
    """Give the relative difference that the certificate knows of, for bundles that say no more."""
    certificate = card.get("certificate") or {}
    return max(float(certificate.get("largest_difference") or 0.0), 1e-14)


def _plain(value: Any) -> Any:
    """Read what JSON has no number for: ``{"float": "nan"}``."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(value["float"]) if isinstance(value, dict) else value
