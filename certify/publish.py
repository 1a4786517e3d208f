"""Publish: convert, certify, describe, store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SignatureError
from ..frontends import Training, convert
from ..kernels import Decoder, Scorer
from ..kernels.contributions import with_background
from .gate import PROBE_ROWS, certify
from .storing import Entry, open_for, store_version
from .training_rows import describe_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..ir import Model
    from .storing import Published


def publish(  # noqa: PLR0913 - keyword options of one call
    name: str,
    estimator: object,
    *,
    like: object,
    alias: str | None = None,
    metrics: Mapping[str, float] | None = None,
    description: str = "",
    calibration: tuple[object, Any] | None = None,
    registry: str | Path | None = None,
    probe_rows: int = PROBE_ROWS,
    opaque: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Published:
    """Put a fitted model into the registry, once every route gave the library's answers.

    Parameters
    ----------
    name
        The model's name: ``delay`` is called as ``predict_delay`` in SQL.
    estimator
        A fitted estimator, pipeline or Booster.
    like
        The frame that was passed to ``fit`` (pandas, polars, Arrow, numpy). Columns that the
        model does not read are left out of its signature.
    alias
        An alias to move to the new version, such as ``champion``.
    metrics, description
        What the model card should say.
    calibration
        ``(X, y)`` that training did not see: gives a regression its conformal intervals.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    probe_rows
        How many rows to compare on the boundaries, besides those of the odd groups.
    opaque
        Keep a scikit-learn model whole where a part of it has no exact translation. Scoring then
        needs scikit-learn of the same version, is slower, and the model is no plain SQL.
    progress
        Called with a line of text as each stage begins.

    Raises
    ------
    UnsupportedModelError, SignatureError, CertificationError, RegistryError
        Nothing is stored then.
    """
    report = progress or (lambda _: None)
    store = open_for(name, alias, registry)
    entry = Entry(name, alias, description, metrics or {})
    report("converting")
    training = Training.of(like, estimator)
    model = prepare(estimator, training, calibration, opaque=opaque)
    training = training.only(model.signature.names)
    certificate = certify(model, estimator, training, rows=probe_rows, progress=report)
    report("storing")
    origin = {
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "training": describe_rows(training.table),
    }
    return store_version(store, model, certificate, entry, origin)


def prepare(
    estimator: object,
    training: Training,
    calibration: tuple[object, Any] | None = None,
    *,
    opaque: bool = False,
) -> Model:
    """Convert an estimator, and add what its explanations and intervals are measured from."""
    model = convert(estimator, training, opaque=opaque)
    model = with_background(model, Decoder.of(model).decode(training.table))
    if calibration is None:
        return model
    return replace(model, residuals=_residuals(model, estimator, calibration))


def _residuals(
    model: Model, estimator: object, calibration: tuple[object, Any]
) -> tuple[float, ...]:
    try:
        frame, target = calibration
        truth = np.asarray(target, np.float64).ravel()
    except (TypeError, ValueError) as error:
        message = f"calibration= is a pair (X, y), of which y is numbers: {error}."
        raise SignatureError(message) from error
    if model.outputs.classes is not None or len(model.outputs.prediction) != 1:
        message = "Intervals need a regression with one target; publish without calibration=."
        raise SignatureError(message)
    rows = Training.of(frame, estimator).table
    if not len(rows) or len(truth) != len(rows) or not np.isfinite(truth).all():
        message = (
            f"calibration=(X, y) needs as many finite targets as rows, and at least one: X has "
            f"{len(rows)} rows, y {len(truth)} values."
        )
        raise SignatureError(message)
    errors = np.abs(truth - Scorer(model).score(rows).prediction[:, 0])
    return tuple(np.sort(errors).tolist())
