"""``GET /metrics``: what was counted, and how things stand now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .endpoints.scrape import endpoint_metrics
from .http import Response
from .metrics import samples
from .traffic.metrics import traffic_metrics

if TYPE_CHECKING:
    from .http import Request
    from .service import Service

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


async def scrape(request: Request, service: Service) -> Response:
    """Write all metrics for Prometheus."""
    del request
    text = service.metrics.text() + _models(service) + _state(service)
    if service.endpoints is not None:
        text += endpoint_metrics(service.endpoints)
    if service.traffic is not None:
        text += traffic_metrics(service.traffic)
    return Response(text.encode(), content_type=_TEXT)


def _models(service: Service) -> str:
    places = [place for place in service.shelf.places.values() if place.alias]
    answering = {
        (("model", p.name), ("alias", p.alias or "")): p.served.version for p in places if p.served
    }
    wanted = {(("model", p.name), ("alias", p.alias or "")): p.wanted for p in places}
    waiting = {
        (("model", served.name), ("version", str(served.version))): served.batcher.waiting
        for served in service.shelf.versions
    }
    return (
        samples("foresql_model_version", "gauge", "The version that answers.", answering)
        + samples(
            "foresql_model_wanted_version", "gauge", "Where the registry has the alias.", wanted
        )
        + samples("foresql_model_queue", "gauge", "Requests that wait for a batch.", waiting)
    )


def _state(service: Service) -> str:
    shelf = service.shelf
    gauges = (
        ("foresql_ready", "Whether the server is ready.", service.problem is None),
        ("foresql_requests_in_flight", "Requests under way.", service.in_flight),
        ("foresql_threads_queue", "Tasks that threads have or wait for.", service.workers.waiting),
        ("foresql_buffered_bytes", "Bytes of bodies that arrive.", service.bodies.buffered),
        ("foresql_registry_is_current", "Whether the registry can be read.", shelf.is_current),
        ("foresql_registry_checked_seconds", "When it was last read.", shelf.checked_at),
    )
    text = "".join(
        samples(name, "gauge", meaning, {(): float(value)}) for name, meaning, value in gauges
    )
    text += samples(
        "foresql_model_load_failures_total",
        "counter",
        "Attempts to load a version that failed.",
        {(): shelf.failures},
    )
    if service.keys is None:
        return text
    is_current = {(): float(service.keys.is_current)}
    return text + samples(
        "foresql_keys_is_current", "gauge", "Whether the file of keys can be read.", is_current
    )
