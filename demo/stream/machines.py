"""Generated signals of machines: vibration, temperature, current and speed. None was measured.

The model is simple and physically plausible. Load drives current and heat, heat reaches the
housing with a delay, imbalance grows with the square of the speed, and wear makes a machine vibrate
long before it warms it. Everything comes from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BEARING", "COOLING", "INTERVAL", "MACHINES", "Fault", "Signals", "simulate"]

MACHINES = tuple(f"pump-{number:02}" for number in range(1, 13))

INTERVAL = 12
"""Seconds between two readings of a machine."""
BEARING, COOLING = "bearing", "cooling"
_DAY = 86_400.0
_THERMAL_LAG = 480.0
_FLEET = 12  # the seed of what a machine is: its speed, its motor, its housing
_WARM_UP = 360  # readings before the first one, in which the housing reaches its temperature

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that grows from its beginning to the failure; from ``repaired`` on it is gone.

    Attributes
    ----------
    machine
        The machine's place among the others.
    kind
        What wears: ``bearing`` or ``cooling``.
    begins, fails, repaired
        Seconds since the first reading.
    """

    machine: int
    kind: str
    begins: float
    fails: float
    repaired: float


@dataclass(frozen=True, slots=True)
class Signals:
    """Readings of all machines, an array each of the shape (readings, machines).

    Attributes
    ----------
    vibration
        Velocity of the housing, RMS, in mm/s.
    temperature
        Of the housing, in degrees Celsius.
    motor_current
        In ampere.
    speed
        In revolutions a minute.
    """

    vibration: Array
    temperature: Array
    motor_current: Array
    speed: Array


def simulate(readings: int, faults: Sequence[Fault], seed: int) -> Signals:
    """Generate the readings of all machines, one every ``INTERVAL`` seconds.

    Parameters
    ----------
    readings
        How many readings of each machine.
    faults
        What wears, and when.
    seed
        The same seed gives the same readings. The machines are the same for all seeds.
    """
    fleet, random = np.random.default_rng(_FLEET), np.random.default_rng(seed)
    machines = len(MACHINES)
    nominal = fleet.choice([1480.0, 2950.0], machines)
    motor = fleet.uniform(9.0, 16.0, machines)
    base = fleet.uniform(0.9, 1.5, machines)
    seconds = (np.arange(readings + _WARM_UP)[:, None] - _WARM_UP) * float(INTERVAL)
    wear = {kind: _wear(seconds, faults, kind) for kind in (BEARING, COOLING)}
    load = _load(seconds, random)
    speed = nominal * (1.0 - 0.02 * load) + random.normal(0.0, 2.0, load.shape)
    current = motor * (0.35 + 0.65 * load) * (1.0 + 0.12 * wear[BEARING])
    heat = 34.0 * load**2 + 18.0 * wear[BEARING] + 42.0 * wear[COOLING]
    temperature = _ambient(seconds) + _delayed(heat)
    vibration = base * (0.6 + 0.4 * (speed / 1480.0) ** 2 / (nominal / 1480.0) ** 1.5)
    vibration *= (1.0 + 3.5 * wear[BEARING]) * (0.9 + 0.2 * load)
    vibration *= random.lognormal(0.0, 0.07, load.shape)
    return Signals(
        vibration=vibration[_WARM_UP:].round(3),
        temperature=(temperature + random.normal(0.0, 0.15, load.shape))[_WARM_UP:].round(2),
        motor_current=(current + random.normal(0.0, 0.12, load.shape))[_WARM_UP:].round(2),
        speed=speed[_WARM_UP:].round(0),
    )


def _wear(seconds: Array, faults: Sequence[Fault], kind: str) -> Array:
    """Say how far a fault has grown: 0 without one, 1 at the failure, most of it at the end."""
    wear = np.zeros((len(seconds), len(MACHINES)))
    for fault in faults:
        if fault.kind == kind:
            grown = np.clip((seconds[:, 0] - fault.begins) / (fault.fails - fault.begins), 0.0, 1.0)
            grown[seconds[:, 0] >= fault.repaired] = 0.0
            wear[:, fault.machine] += np.expm1(2.0 * grown) / np.expm1(2.0)
    return wear


def _load(seconds: Array, random: np.random.Generator) -> Array:
    """Let each machine's load swing around 70 %, at a pace of its own."""
    machines = len(MACHINES)
    period = random.uniform(2400.0, 7200.0, machines)
    phase = random.uniform(0.0, 2.0 * np.pi, machines)
    swing = 0.18 * np.sin(2.0 * np.pi * seconds / period + phase)
    return 0.7 + swing + random.normal(0.0, 0.02, (len(seconds), machines))


def _ambient(seconds: Array) -> Array:
    """Let the hall be warmest in the afternoon; the first reading is at six in the morning."""
    return 21.0 + 3.0 * np.sin(2.0 * np.pi * (seconds / _DAY - 0.125))


def _delayed(heat: Array) -> Array:
    """Let the housing follow the heat, as a low pass of first order does."""
    share = INTERVAL / _THERMAL_LAG
    housing = heat.copy()
    for place in range(1, len(heat)):
        housing[place] = housing[place - 1] + share * (heat[place] - housing[place - 1])
    return housing
