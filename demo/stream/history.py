"""The past: generated readings of earlier days, with the failures that ended some of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from .machines import BEARING, COOLING, INTERVAL, MACHINES, Fault, Signals, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PAST", "failures_of", "past_events", "past_faults", "table_of"]

PAST = datetime(2025, 1, 6, 6)  # noqa: DTZ001 - event times are UTC without a zone, as in SQL
"""When the first reading of the history was taken."""
_EPISODES, _EPISODE = 3, 21_600
_READINGS = _EPISODES * _EPISODE // INTERVAL
_SEED = 20250106
_MINUTE = 60.0


def past_faults() -> list[Fault]:
    """Let most machines fail once in each six hours, of worn bearings or blocked cooling."""
    random = np.random.default_rng(_SEED)
    faults: list[Fault] = []
    for episode in range(_EPISODES):
        for machine in range(len(MACHINES)):
            lasts = random.uniform(30.0, 150.0) * _MINUTE
            begins = episode * _EPISODE + random.uniform(1200.0, _EPISODE - lasts - 1200.0)
            kind = (BEARING, COOLING)[int(random.integers(2))]
            fails = begins + lasts
            if random.random() < 0.8:  # noqa: PLR2004 - the others stay healthy
                faults.append(Fault(machine, kind, begins, fails, fails + 5.0 * _MINUTE))
    return faults


def past_events(faults: Sequence[Fault]) -> pa.Table:
    """Generate the events of the history, with the columns of the stream."""
    return table_of(simulate(_READINGS, faults, _SEED), PAST)


def failures_of(faults: Sequence[Fault]) -> pa.Table:
    """List when which machine failed, and until when it was repaired."""
    return pa.table(
        {
            "machine": [MACHINES[fault.machine] for fault in faults],
            "begins": [PAST + timedelta(seconds=fault.begins) for fault in faults],
            "fails": [PAST + timedelta(seconds=fault.fails) for fault in faults],
            "repaired": [PAST + timedelta(seconds=fault.repaired) for fault in faults],
        }
    )


def table_of(signals: Signals, begins: datetime) -> pa.Table:
    """Make events of signals, the machines' readings of one moment together.

    Parameters
    ----------
    signals
        What was generated.
    begins
        The time of the first reading. Machine n reads n/12 of an interval after the first one.
    """
    readings, machines = signals.vibration.shape
    start = np.datetime64(begins, "us")
    step = np.timedelta64(INTERVAL * 1_000_000 // machines, "us")
    times = start + np.arange(readings * machines) * step
    return pa.table(
        {
            "reading_id": [
                f"{machine}/{reading:06}" for reading in range(readings) for machine in MACHINES
            ],
            "machine": list(MACHINES) * readings,
            "measured_at": pa.array(times, pa.timestamp("us")),
            "vibration": signals.vibration.ravel(),
            "temperature": signals.temperature.ravel(),
            "motor_current": signals.motor_current.ravel(),
            "speed": signals.speed.ravel(),
        }
    )
