"""Certify a bundle again: its routes, on this machine, against the answers that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from ..kernels import Scorer
from ..udfs.duckdb import interruptible
from .golden import Golden, check_golden
from .oracle import Answers
from .probes import Probe, table_of
from .routes import ROUTES
from .sql import SQL, Seen, hold_sql

if TYPE_CHECKING:
    from ..ir import Model
    from ..ir.bundle import Bundle


def certify_again(bundle: Bundle) -> dict[str, Any]:
    """Hold every route against a bundle's golden rows, where no library need be there.

    Returns
    -------
    dict
        As much of a certificate as golden rows tell: ``reference``, ``rows``, ``routes``, the
        routes that it is ``without`` and why, ``largest_difference``.

    Raises
    ------
    BundleError
        If the bundle keeps no golden rows, or they cannot be read.
    CertificationError
        If a route differs by more than the gate allows.
    """
    golden, model = Golden.from_json(bundle.card.get("golden") or {}), bundle.model
    with interruptible(duckdb.connect()) as connection:
        largest = [
            check_golden(golden, model, Scorer(model), make(model, connection))
            for make in ROUTES.values()
        ]
    held = hold_sql(model, Scorer(model, None), Seen(answered=[_told(golden, model)]))
    certificate: dict[str, Any] = bundle.card.get("certificate") or {}
    return {
        "reference": certificate.get("reference", "library"),
        "rows": len(golden.rows),
        "routes": [*ROUTES, *([SQL] if held.refusal is None else [])],
        "without": {} if held.refusal is None else {SQL: held.refusal},
        "largest_difference": max(*largest, held.largest),
    }


def _told(golden: Golden, model: Model) -> tuple[Probe, Answers]:
    """Give the golden rows as a group of probe rows; raw scores are not kept."""
    labels = model.outputs.classes is not None
    prediction = np.array(golden.prediction, object if labels else np.float64)
    answers = Answers(
        prediction, np.array(golden.probabilities, np.float64), np.empty((len(golden.rows), 0))
    )
    columns = [list(values) for values in zip(*golden.rows, strict=True)]
    return Probe("golden", table_of(model, columns)), answers
