"""The scoring query: features over windows of event time, and two models that score them.

Training, the worker and the check at the end run the same text. Sums are taken of DECIMAL, so they
are exact and no order of adding changes a bit.
"""

from __future__ import annotations

__all__ = ["COLUMNS", "FEATURES", "HORIZON_MINUTES", "INPUTS", "LATENESS", "SCORING"]

HORIZON_MINUTES = 60
"""What the failure model predicts: whether a machine fails within so many minutes."""
LATENESS = 30
"""Seconds of event time that a reading may come behind later ones."""

COLUMNS = {
    "reading_id": "VARCHAR",
    "machine": "VARCHAR",
    "measured_at": "TIMESTAMP",
    "vibration": "DOUBLE",
    "temperature": "DOUBLE",
    "motor_current": "DOUBLE",
    "speed": "DOUBLE",
}
"""The columns of the events."""

INPUTS = (
    "vibration_now",
    "vibration_mean",
    "vibration_most",
    "temperature_now",
    "temperature_mean",
    "current_mean",
    "speed_mean",
)
"""The columns of the features that both models read."""

FEATURES = """\
    SELECT
        reading_id,
        machine,
        measured_at,
        avg(vibration::DECIMAL(9, 3)) OVER minutes_2 AS vibration_now,
        avg(vibration::DECIMAL(9, 3)) OVER minutes_10 AS vibration_mean,
        max(vibration::DECIMAL(9, 3)) OVER minutes_10 AS vibration_most,
        avg(temperature::DECIMAL(9, 2)) OVER minutes_2 AS temperature_now,
        avg(temperature::DECIMAL(9, 2)) OVER minutes_10 AS temperature_mean,
        avg(motor_current::DECIMAL(9, 2)) OVER minutes_10 AS current_mean,
        avg(speed::DECIMAL(9, 1)) OVER minutes_10 AS speed_mean
    FROM events
    WINDOW
        minutes_2 AS (
            PARTITION BY machine ORDER BY measured_at
            RANGE BETWEEN INTERVAL 2 MINUTES PRECEDING AND CURRENT ROW
        ),
        minutes_10 AS (
            PARTITION BY machine ORDER BY measured_at
            RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND CURRENT ROW
        )
"""

SCORING = f"""\
WITH features AS (
{FEATURES})
SELECT
    f.reading_id,
    f.machine,
    f.measured_at,
    predict_proba_failure(f) AS failure_probability,
    predict_anomaly(f) = -1 AS is_unusual,
    f.vibration_now,
    f.temperature_now
FROM features AS f
"""  # noqa: S608 - two texts of this module
