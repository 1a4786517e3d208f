"""How endpoints and feature views stand, for Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..metrics import samples

if TYPE_CHECKING:
    from .shelf import EndpointShelf


def endpoint_metrics(shelf: EndpointShelf) -> str:
    """Write the metrics of endpoints, and of the feature views that they read."""
    current = {
        (("endpoint", place.name),): float(place.served is not None and place.problem is None)
        for place in shelf.places.values()
    }
    versions = {
        (("endpoint", served.name), ("model", name)): float(version)
        for served in shelf.served
        for name, version in served.models.items()
    }
    text = (
        samples(
            "foresql_endpoint_is_current",
            "gauge",
            "Whether an endpoint is as its file and its models' aliases say.",
            current,
        )
        + samples(
            "foresql_endpoint_model_version",
            "gauge",
            "The version of a model that an endpoint calls.",
            versions,
        )
        + samples(
            "foresql_endpoint_load_failures_total",
            "counter",
            "Endpoints that could not be taken over.",
            {(): float(shelf.failures)},
        )
    )
    if shelf.store is None:
        return text
    now = time.time()
    status = shelf.store.status()
    ages = {(("view", each.view),): now - each.as_of.timestamp() for each in status}
    rows = {(("view", each.view),): float(each.rows) for each in status}
    return (
        text
        + samples(
            "foresql_view_age_seconds",
            "gauge",
            "How long ago the warehouse was read for a feature view.",
            ages,
        )
        + samples("foresql_view_rows", "gauge", "The entities of a feature view.", rows)
    )
