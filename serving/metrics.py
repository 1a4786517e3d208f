"""Counters and histograms, and their text for Prometheus.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Labels: TypeAlias = "tuple[tuple[str, str], ...]"

LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0)
"""Seconds."""

BATCH_BUCKETS = (1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0)
"""Rows."""


class Histogram:
    """How many values were at most each bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Begin with nothing; the last count is of what is beyond all bounds."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """What the server counts itself. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.requests: dict[tuple[str, str, str, int], int] = {}
        self.seconds: dict[tuple[str, str], Histogram] = {}
        self.batches: dict[str, Histogram] = {}

    def count(self, route: str, model: str, version: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (route, model, version, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        place = (route, model)
        histogram = self.seconds.get(place)
        if histogram is None:
            histogram = self.seconds[place] = Histogram(LATENCY_BUCKETS)
        histogram.observe(seconds)

    def observe_batch(self, model: str, rows: int) -> None:
        """Count a batch that goes to a thread."""
        if model not in self.batches:
            self.batches[model] = Histogram(BATCH_BUCKETS)
        self.batches[model].observe(rows)

    def text(self) -> str:
        """Write what was counted."""
        requests = {
            (("route", route), ("model", model), ("version", version), ("status", str(status))): n
            for (route, model, version, status), n in self.requests.items()
        }
        seconds = {
            (("route", route), ("model", model)): each
            for (route, model), each in self.seconds.items()
        }
        batches = {(("model", model),): each for model, each in self.batches.items()}
        return (
            samples("foresql_requests_total", "counter", "Requests that were answered.", requests)
            + histograms(
                "foresql_request_seconds", "From a request's headers to its answer.", seconds
            )
            + histograms("foresql_batch_rows", "Rows of batches that threads score.", batches)
        )


def samples(name: str, kind: str, meaning: str, values: Mapping[Labels, float]) -> str:
    """Write one metric: a counter or a gauge."""
    lines = [f"{name}{_labels(labels)} {value}" for labels, value in values.items()]
    return _described(name, kind, meaning, lines)


def histograms(name: str, meaning: str, values: Mapping[Labels, Histogram]) -> str:
    """Write one histogram for each set of labels."""
    lines: list[str] = []
    for labels, histogram in values.items():
        below = 0
        bounds = [*map(str, histogram.bounds), "+Inf"]
        for bound, count in zip(bounds, histogram.counts, strict=True):
            below += count
            lines.append(f"{name}_bucket{_labels((*labels, ('le', bound)))} {below}")
        lines.append(f"{name}_sum{_labels(labels)} {histogram.total}")
        lines.append(f"{name}_count{_labels(labels)} {below}")
    return _described(name, "histogram", meaning, lines)


def _described(name: str, kind: str, meaning: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *lines, ""])


def _labels(labels: Labels) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
