"""The metrics of traffic, of the shadow and of the prediction log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..metrics import samples
from .dividing import Role

if TYPE_CHECKING:
    from ..metrics import Labels
    from .traffic import Traffic


def traffic_metrics(traffic: Traffic) -> str:
    """Write them for Prometheus."""
    return _rows(traffic) + _rules(traffic) + _queues(traffic)


def _rows(traffic: Traffic) -> str:
    # Copies, for the shadow's thread goes on counting.
    shadowed = {
        (model, str(Role.SHADOW), version): rows
        for (model, version), rows in dict(traffic.shadow.answered_rows).items()
    }
    answered: dict[Labels, float] = {
        (("model", model), ("role", role), ("version", str(version))): rows
        for (model, role, version), rows in (traffic.rows | shadowed).items()
    }
    failed: dict[Labels, float] = {
        (("model", model), ("version", str(version))): rows
        for (model, version), rows in dict(traffic.shadow.failed_rows).items()
    }
    mixed: dict[Labels, float] = {
        (("model", model),): requests for model, requests in traffic.divider.mixed.items()
    }
    return (
        samples("foresql_traffic_rows_total", "counter", "Rows that a version answered.", answered)
        + samples(
            "foresql_traffic_shadow_failed_rows_total",
            "counter",
            "Rows that a version failed to answer in the shadow.",
            failed,
        )
        + samples(
            "foresql_traffic_mixed_requests_total",
            "counter",
            "Requests whose keys go to two versions, and whose form has one: the champion's.",
            mixed,
        )
    )


def _rules(traffic: Traffic) -> str:
    holding: dict[Labels, float] = {
        (("model", model),): float(routes is not None and not routes.problems)
        for model, routes in traffic.divider.all_routes().items()
    }
    is_current = {(): float(traffic.book.is_current)}
    return samples(
        "foresql_traffic_is_current", "gauge", "Whether the file of rules can be read.", is_current
    ) + samples(
        "foresql_traffic_rules_hold", "gauge", "Whether a model's rules can be followed.", holding
    )


def _queues(traffic: Traffic) -> str:
    shadow, log = traffic.shadow, traffic.log
    text = samples(
        "foresql_traffic_shadow_queue_rows", "gauge", "Rows that wait.", {(): shadow.queue.rows}
    ) + samples(
        "foresql_traffic_shadow_dropped_rows_total",
        "counter",
        "Rows that the shadow did not get to.",
        {(): shadow.queue.dropped},
    )
    if log is None:
        return text
    dropped: dict[Labels, float] = {
        (("reason", "full"),): log.queue.dropped,
        (("reason", "error"),): log.lost,
    }
    return (
        text
        + samples(
            "foresql_prediction_log_queue_rows", "gauge", "Rows that wait.", {(): log.queue.rows}
        )
        + samples(
            "foresql_prediction_log_queue_bytes", "gauge", "Their size.", {(): log.queue.bytes}
        )
        + samples(
            "foresql_prediction_log_rows_total",
            "counter",
            "Rows that were written.",
            {(): log.written},
        )
        + samples(
            "foresql_prediction_log_dropped_rows_total",
            "counter",
            "Rows that were not written: the queue was full, or the disk failed.",
            dropped,
        )
    )
