"""What a worker did since it began: the one place where it is counted."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .batches import Batch

BOUNDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 20, 30, 60, 600, 3600),
)
"""The bounds of latencies, in seconds."""


@dataclass(slots=True)
class Totals:
    """What a worker did.

    Attributes
    ----------
    events, dead
        The events that were committed, by partition, and those of them that are dead letters, by
        step.
    predictions, repeated
        The predictions that were written, and those left out since their event had one.
    batches, moved
        The batches that were written, and those that were not: somebody else moved a partition.
    latencies, latency
        How many events took how long from being published to being committed, by ``BOUNDS``, and
        the sum in seconds.
    lag
        How many events wait, by partition, as of the last look.
    versions
        The versions of the last batch, as in ``delay:3``.
    began
        When it began, by the monotonic clock.
    """

    events: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    predictions: int = 0
    repeated: int = 0
    batches: int = 0
    moved: int = 0
    latencies: np.ndarray = field(default_factory=lambda: np.zeros(len(BOUNDS) + 1, np.int64))
    latency: float = 0.0
    lag: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    began: float = field(default_factory=time.monotonic)

    def add(self, batch: Batch, repeated: int, committed: float) -> None:
        """Count a batch that was committed at a time, in seconds since the epoch."""
        self.events.update(batch.outcome.events)
        self.dead.update(batch.steps)
        self.predictions += batch.outcome.predictions.num_rows - (repeated - batch.repeated)
        self.repeated += repeated
        self.batches += 1
        waited = np.maximum(committed - batch.published, 0.0)
        places = np.searchsorted(BOUNDS, waited)
        self.latencies += np.bincount(places, minlength=len(BOUNDS) + 1)
        self.latency += float(waited.sum())
        self.versions = batch.versions

    def quantile(self, share: float) -> float | None:
        """Give a bound that so large a share of latencies is not above; None before any."""
        sums = np.cumsum(self.latencies)
        if not sums[-1]:
            return None
        place = int(np.searchsorted(sums, share * sums[-1]))
        return BOUNDS[min(place, len(BOUNDS) - 1)]

    def as_dict(self) -> dict[str, Any]:
        """Give the totals for machines."""
        return {
            "events": self.events.total(),
            "predictions": self.predictions,
            "repeated": self.repeated,
            "dead_letters": dict(self.dead),
            "batches": self.batches,
            "moved": self.moved,
            "lag": dict(self.lag),
            "versions": list(self.versions),
            "latency_p50_at_most": self.quantile(0.5),
            "latency_p99_at_most": self.quantile(0.99),
            "seconds": round(time.monotonic() - self.began, 3),
        }
