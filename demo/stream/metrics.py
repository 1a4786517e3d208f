"""What the worker tells Prometheus, read over HTTP: that it runs, its lag, how long events take."""

from __future__ import annotations

from collections import defaultdict, deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Metrics", "Sample", "quantile"]

_LATENCY, _LAG = "foresql_worker_latency_seconds", "foresql_worker_lag"
_TIMEOUT = 0.5
_SPAN = 20


class Sample(NamedTuple):
    """What the worker said at one moment.

    Attributes
    ----------
    buckets
        How many events took at most so many seconds from the bus to the commit.
    lag
        How many events wait.
    """

    buckets: Mapping[float, float]
    lag: int


class Metrics:
    """The worker's metrics over time, across its restarts."""

    def __init__(self, address: str) -> None:
        """Say where they are."""
        self._url = f"http://{address}/metrics"
        self._before: defaultdict[float, float] = defaultdict(float)
        self._samples: deque[Sample] = deque(maxlen=_SPAN)

    def look(self) -> Sample | None:
        """Ask the worker; None where it does not answer."""
        try:
            with urlopen(self._url, timeout=_TIMEOUT) as answer:  # noqa: S310 - http, on this host
                sample = _read(answer.read().decode())
        except OSError:
            return None
        self._samples.append(sample)
        return sample

    def forget(self) -> None:
        """Begin anew with another process, and keep what the last one counted."""
        if self._samples:
            self._before = _added(self._before, self._samples[-1].buckets)
        self._samples.clear()

    def latest(self, share: float) -> float | None:
        """Give the latency that a share of the latest events did not exceed."""
        if not self._samples:
            return None
        first, last = self._samples[0].buckets, self._samples[-1].buckets
        return quantile({le: count - first.get(le, 0.0) for le, count in last.items()}, share)

    def overall(self, share: float) -> float | None:
        """Give the latency that a share of all events did not exceed."""
        now = self._samples[-1].buckets if self._samples else {}
        return quantile(_added(self._before, now), share)


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Estimate a quantile of a Prometheus histogram as Prometheus does: linearly within a bucket.

    Parameters
    ----------
    buckets
        Cumulative counts, by the upper bounds of buckets, of which the last one is infinite.
    share
        Which quantile, between 0 and 1.
    """
    bounds = sorted(buckets.items())
    if not bounds or not bounds[-1][1]:
        return None
    rank = share * bounds[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *bounds]):
        if count >= rank:
            if high == float("inf"):
                return low
            return low + (high - low) * (rank - below) / max(count - below, 1.0)
    return None


def _added(left: Mapping[float, float], right: Mapping[float, float]) -> defaultdict[float, float]:
    total = defaultdict(float, left)
    for bound, count in right.items():
        total[bound] += count
    return total


def _read(text: str) -> Sample:
    from prometheus_client.parser import text_string_to_metric_families

    buckets: defaultdict[float, float] = defaultdict(float)
    lag = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{_LATENCY}_bucket":
                buckets[float(sample.labels["le"])] += sample.value
            elif sample.name == _LAG:
                lag += sample.value
    return Sample(buckets, int(lag))
