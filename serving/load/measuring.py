"""Runs with more and more connections, and their figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .clients import Clients, Plan

WARM_SECONDS = 0.5
"""Each run is preceded by so much of the same that is not measured."""

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}


@dataclass(frozen=True, slots=True)
class Stage:
    """The figures of one run.

    Attributes
    ----------
    seconds : dict
        Of the answers: ``p50``, ``p90``, ``p99``, ``p99_9``, ``max``; empty if there are none.
    errors : dict
        How often what went wrong.
    cpu_seconds : float, optional
        What each answer took of the server's processors; None where it does not say.
    """

    connections: int
    requests_per_second: float
    rows_per_second: float
    seconds: dict[str, float]
    cpu_seconds: float | None
    answered: int
    errors: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Give the figures for machines."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(
    clients: Clients,
    plans: Sequence[Plan],
    rows_each: int,
    cpu_seconds: Callable[[], float | None],
) -> Iterator[Stage]:
    """Do the runs, one after the other."""
    from .clients import Plan

    for plan in plans:
        clients.run(Plan(plan.connections, min(WARM_SECONDS, plan.seconds), plan.rate))
        before = cpu_seconds()
        seconds, errors, taken = clients.run(plan)
        after = cpu_seconds()
        requests = len(seconds) + errors.total()
        each = None
        if before is not None and after is not None and after >= before and requests:
            each = (after - before) / requests
        figures = {}
        if len(seconds):
            found = np.percentile(seconds, list(PERCENTILES.values()), method="inverted_cdf")
            figures = dict(zip(PERCENTILES, map(float, found), strict=True))
            figures["max"] = float(seconds.max())
        yield Stage(
            connections=plan.connections,
            requests_per_second=len(seconds) / taken,
            rows_per_second=len(seconds) * rows_each / taken,
            seconds=figures,
            cpu_seconds=each,
            answered=len(seconds),
            errors=dict(errors),
        )
