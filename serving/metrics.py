"""Counters and histograms, and their text for Prometheus.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .processes.shared import Cells, Key, Shared

Labels: TypeAlias = "tuple[tuple[str, str], ...]"

LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0)
"""Seconds."""

BATCH_BUCKETS = (1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0)
"""Rows."""


_REQUESTS = "foresql_requests_total"
_SECONDS = "foresql_request_seconds"
_BATCHES = "foresql_batch_rows"
_LABELS = {
    _REQUESTS: ("route", "model", "version", "status"),
    _SECONDS: ("route", "model"),
    _BATCHES: ("model",),
}


class Histogram:
    """How many values were at most each bound."""

    __slots__ = ("bounds", "cells")

    def __init__(self, bounds: tuple[float, ...], cells: Cells | None = None) -> None:
        """Begin with nothing, or with the cells of :func:`width` numbers that were counted in."""
        self.bounds = bounds
        self.cells: Cells = [0.0] * width(bounds) if cells is None else cells

    @property
    def counts(self) -> list[float]:
        """How many there were up to each bound; the last one is of what is beyond all."""
        return list(self.cells[:-1])

    @property
    def total(self) -> float:
        """The sum of all values."""
        return self.cells[-1]

    def observe(self, value: float) -> None:
        """Count a value."""
        self.cells[bisect_left(self.bounds, value)] += 1
        self.cells[-1] += value


def width(bounds: tuple[float, ...]) -> int:
    """Tell how many numbers a histogram is: a count for each bound, one beyond, and the sum."""
    return len(bounds) + 2


class Metrics:
    """What the server counts itself. Belongs to the event loop's thread."""

    def __init__(self, shared: Shared | None = None) -> None:
        """Count for this process, or into what all processes behind one port share."""
        self._shared = shared
        self._series: dict[Key, Cells] = {}
        self.requests: dict[tuple[str, str, str, int], Cells] = {}
        self.seconds: dict[tuple[str, str], Histogram] = {}
        self.batches: dict[str, Histogram] = {}

    def count(self, route: str, model: str, version: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (route, model, version, status)
        cells = self.requests.get(key)
        if cells is None:
            cells = self.requests[key] = self._cells(1, _REQUESTS, *map(str, key))
        cells[0] += 1
        place = (route, model)
        histogram = self.seconds.get(place)
        if histogram is None:
            made = self._cells(width(LATENCY_BUCKETS), _SECONDS, *place)
            histogram = self.seconds[place] = Histogram(LATENCY_BUCKETS, made)
        histogram.observe(seconds)

    def observe_batch(self, model: str, rows: int) -> None:
        """Count a batch that goes to a thread."""
        if model not in self.batches:
            made = self._cells(width(BATCH_BUCKETS), _BATCHES, model)
            self.batches[model] = Histogram(BATCH_BUCKETS, made)
        self.batches[model].observe(rows)

    def _cells(self, count: int, *key: str) -> Cells:
        if self._shared is not None:
            return self._shared.cells(key, count)
        return self._series.setdefault(key, [0.0] * count)

    def text(self) -> str:
        """Write what was counted, by all processes."""
        series = self._series if self._shared is None else self._shared.totals()
        of: dict[str, dict[Labels, Cells]] = {_REQUESTS: {}, _SECONDS: {}, _BATCHES: {}}
        for (name, *values), cells in series.items():
            of[name][tuple(zip(_LABELS[name], values, strict=True))] = cells
        requests = {labels: cells[0] for labels, cells in of[_REQUESTS].items()}
        seconds = {key: Histogram(LATENCY_BUCKETS, each) for key, each in of[_SECONDS].items()}
        batches = {key: Histogram(BATCH_BUCKETS, each) for key, each in of[_BATCHES].items()}
        return (
            samples(_REQUESTS, "counter", "Requests that were answered.", requests)
            + histograms(_SECONDS, "From a request's headers to its answer.", seconds)
            + histograms(_BATCHES, "Rows of batches that threads score.", batches)
        )


def samples(name: str, kind: str, meaning: str, values: Mapping[Labels, float]) -> str:
    """Write one metric: a counter or a gauge."""
    lines = [f"{name}{_labels(labels)} {value}" for labels, value in values.items()]
    return _described(name, kind, meaning, lines)


def histograms(name: str, meaning: str, values: Mapping[Labels, Histogram]) -> str:
    """Write one histogram for each set of labels."""
    lines: list[str] = []
    for labels, histogram in values.items():
        below = 0.0
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
