"""A worker's totals for Prometheus: read when it asks, so that a batch costs nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ...errors import StreamError
from .totals import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.metrics_core import Metric

    from .totals import Totals

_PREFIX = "foresql_worker_"


class Metrics:
    """A collector of ``prometheus_client``."""

    def __init__(self, name: str, totals: Totals) -> None:
        """Take the worker's name, which each metric carries, and its totals."""
        self._name, self._totals = name, totals

    def collect(self) -> Iterator[Metric]:
        """Give the metrics of now."""
        totals = self._totals
        versions = dict.fromkeys(totals.versions, 1)
        yield self._counts("events", "Events that were committed.", totals.events, "partition")
        yield self._counts("dead_letters", "Events that are not scored.", totals.dead, "step")
        yield self._count("predictions", "Predictions that were written.", totals.predictions)
        yield self._count("repeated", "Predictions left out: the event had one.", totals.repeated)
        yield self._count("batches", "Batches that were written.", totals.batches)
        yield self._count("moved", "Batches that another worker had done.", totals.moved)
        yield self._gauges("lag", "Events that wait.", totals.lag, "partition")
        yield self._gauges("version", "The versions that score.", versions, "version")
        yield self._latency()

    def _count(self, name: str, help_: str, value: int) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(_PREFIX + name, help_, labels=["worker"])
        family.add_metric([self._name], value)
        return family

    def _counts(self, name: str, help_: str, values: Mapping[str, int], label: str) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(_PREFIX + name, help_, labels=["worker", label])
        return self._filled(family, values)

    def _gauges(self, name: str, help_: str, values: Mapping[str, int], label: str) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(_PREFIX + name, help_, labels=["worker", label])
        return self._filled(family, values)

    def _filled(
        self, family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, int]
    ) -> Metric:
        for key, value in list(values.items()):  # the worker adds to it meanwhile
            family.add_metric([self._name, key], value)
        return family

    def _latency(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            f"{_PREFIX}latency_seconds",
            "From an event's being published to its prediction's being committed.",
            labels=["worker"],
        )
        bounds = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
        sums = np.cumsum(self._totals.latencies).tolist()
        buckets = list(zip(bounds, sums, strict=True))
        family.add_metric([self._name], buckets, self._totals.latency)
        return family


@contextmanager
def serving_metrics(listen: str | None, metrics: Metrics) -> Generator[None]:
    """Answer Prometheus at ``HOST:PORT`` while the block runs; nowhere without an address.

    Raises
    ------
    StreamError
        If prometheus_client is not installed, or the address cannot be had.
    """
    if listen is None:
        yield
        return
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        message = "[metrics] needs prometheus-client: pip install 'foresql[streams]'"
        raise StreamError(message) from error
    registry = CollectorRegistry()
    registry.register(metrics)  # pyright: ignore[reportArgumentType]
    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host, registry)
    except (OSError, ValueError, OverflowError) as error:
        message = f"[metrics] listen = {listen!r} cannot be listened at: {error}."
        raise StreamError(message) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
