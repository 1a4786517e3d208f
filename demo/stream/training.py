"""Two models on features that the scoring query computes, and their way through the gate."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from ...certify import publish
from .history import PAST, failures_of, past_events, past_faults
from .query import FEATURES, HORIZON_MINUTES, INPUTS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ...certify.storing import Published

__all__ = [
    "ALIAS",
    "ANOMALY",
    "FAILURE",
    "Split",
    "publish_anomaly",
    "publish_failure",
    "read_split",
]

ANOMALY, FAILURE, ALIAS = "anomaly", "failure", "champion"
_SEED = 7
_PROBE_ROWS = 2000
_TEST_FROM = "2025-01-06 18:00:00"

_LABELLED = f"""\
SELECT
    features.*,
    coalesce(next.fails - features.measured_at <= INTERVAL {HORIZON_MINUTES} MINUTE, false)
        AS fails_soon,
    coalesce(features.measured_at >= next.begins, false) AS is_worn,
    coalesce(next.fails < features.measured_at, false) AS is_broken,
    -- A housing is warm for a while after its machine was repaired.
    coalesce(features.measured_at - last.repaired < INTERVAL 1 HOUR, false) AS cools,
    features.measured_at >= TIMESTAMP '{_TEST_FROM}' AS is_test
FROM ({FEATURES}) AS features
ASOF LEFT JOIN failures AS next
    ON features.machine = next.machine AND features.measured_at < next.repaired
ASOF LEFT JOIN failures AS last
    ON features.machine = last.machine AND features.measured_at >= last.repaired
ORDER BY features.measured_at, features.machine
"""  # noqa: S608 - constants of this package


class Split(NamedTuple):
    """Labelled features of a part of the history, and of its last hours, which test models."""

    train: pd.DataFrame
    test: pd.DataFrame


def read_split() -> Split:
    """Compute features of the history by the scoring query's own text, and split them by time."""
    faults = past_faults()
    with duckdb.connect() as connection:
        connection.register("events", past_events(faults))
        connection.register("failures", failures_of(faults))
        frame: Any = connection.execute(_LABELLED).df()
    frame = frame[~frame["is_broken"]]
    return Split(frame[~frame["is_test"]], frame[frame["is_test"]])


def publish_anomaly(split: Split, registry: Path) -> Published:
    """Fit an isolation forest on windows of healthy machines, and publish it through the gate."""
    from sklearn.ensemble import IsolationForest

    is_healthy = ~split.train["is_worn"] & ~split.train["cools"]
    healthy = split.train[is_healthy][list(INPUTS)]
    settings: dict[str, Any] = {"n_estimators": 50, "max_samples": 1024, "contamination": 0.002}
    estimator = IsolationForest(random_state=_SEED, n_jobs=1, **settings).fit(healthy)
    return publish(
        ANOMALY,
        estimator,
        like=healthy,
        alias=ALIAS,
        registry=registry,
        description="Whether the last ten minutes of a machine look like no healthy ones.",
        probe_rows=_PROBE_ROWS,
    )


def publish_failure(split: Split, registry: Path, *, hours: int, alias: str | None) -> Published:
    """Fit LightGBM on the first hours of the history, and publish it through the gate.

    Parameters
    ----------
    split
        Labelled features.
    registry
        Where the version goes.
    hours
        How much of the history it learns from.
    alias
        The alias that the version gets, if any.
    """
    from lightgbm import LGBMClassifier

    known = split.train["measured_at"] < PAST + timedelta(hours=hours)
    features = split.train[known][list(INPUTS)]
    estimator = LGBMClassifier(
        n_estimators=40,
        num_leaves=15,
        min_child_samples=100,
        random_state=_SEED,
        deterministic=True,
        force_row_wise=True,
        # Several threads spin where other work shares the cores.
        n_jobs=1,
        verbose=-1,
    ).fit(features, split.train[known]["fails_soon"])
    return publish(
        FAILURE,
        estimator,
        like=features,
        metrics={"auc": _auc(estimator, split.test)},
        alias=alias,
        registry=registry,
        description=f"Whether a machine fails within {HORIZON_MINUTES} minutes.",
        probe_rows=_PROBE_ROWS,
    )


def _auc(estimator: Any, test: pd.DataFrame) -> float:
    from sklearn.metrics import roc_auc_score

    probability = estimator.predict_proba(test[list(INPUTS)])[:, 1]
    return float(roc_auc_score(test["fails_soon"], probability))
