"""``GET /metrics``: what was counted, and how things stand now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .endpoints.scrape import endpoint_metrics
from .http import Response
from .metrics import samples
from .traffic.metrics import traffic_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http import Request
    from .service import Service

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


async def scrape(request: Request, service: Service) -> Response:
    """Write all metrics for Prometheus."""
    del request
    text = service.metrics.text()
    shared = service.settings.shared
    if shared is None:
        text += _standing(service)
    else:
        tell(service)
        text += by_process(shared.said(), shared.areas - 1)
    return Response(text.encode(), content_type=_TEXT)


def tell(service: Service) -> None:
    """Say to the other processes how this one stands, for whichever of them is scraped."""
    if service.settings.shared is not None:
        service.settings.shared.say(_standing(service))


def by_process(texts: Mapping[int, str], supervisor: int) -> str:
    """Put texts of several processes together: each sample says of which worker it is."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    for area, text in texts.items():
        name = ""
        for line in text.splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2]
                heads, _ = families.setdefault(name, ([], []))
                heads += [line] if line not in heads else []
            else:
                families[name][1].append(line if area == supervisor else _labelled(line, area))
    lines = [line for heads, samples_ in families.values() for line in (*heads, *samples_)]
    return "".join(f"{line}\n" for line in lines)


def _labelled(sample: str, area: int) -> str:
    """Add the label to a sample; a name ends before the first brace or space."""
    label = f'process="{area}"'
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f"{name}{{{label}" + ("" if rest.startswith("}") else ",") + rest
    name, _, rest = sample.partition(" ")
    return f"{name}{{{label}}} {rest}"


def _standing(service: Service) -> str:
    text = _models(service) + _state(service)
    if service.endpoints is not None:
        text += endpoint_metrics(service.endpoints)
    if service.traffic is not None:
        text += traffic_metrics(service.traffic)
    return text


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
        "process_cpu_seconds_total",
        "counter",
        "Seconds of processors that the process has taken.",
        {(): time.process_time()},
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
