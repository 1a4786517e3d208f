"""The last lines: what was checked, the figures, and how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.table import Table

from ..closing import print_commands, shorten
from .view import shown_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from .check import Check, Found
    from .folder import Folder
    from .live import Ended
    from .metrics import Metrics
    from .traffic import Traffic

__all__ = ["Result", "describe", "print_next_commands", "print_result"]

_ALERTS = "FROM alerts ORDER BY ALL"
_OFFSETS = """\
SELECT model_version, event_partition, min(event_offset) AS first, count(*) AS scored \
FROM predictions GROUP BY ALL ORDER BY ALL"""
_NEXT = {
    "The alerts": f'foresql sql "{_ALERTS}" --database {{database}} --registry {{registry}}',
    "From which offset each version scored": (
        f'foresql sql "{_OFFSETS}" --database {{database}} --registry {{registry}}'
    ),
    "What was no reading, or came too late": "foresql worker dead {definition}",
    "How far the worker is": "foresql worker status {definition}",
    "Go on: the bus as it was, and the worker": "foresql bus run --store {bus} --port {port}",
    "": "foresql worker run {definition} --registry {registry}",
}


class Result(NamedTuple):
    """All that came out."""

    ended: Ended
    found: Found
    traffic: Traffic
    checks: Sequence[Check]
    metrics: Metrics
    kills: int


def describe(result: Result, seconds: float, folder: str | None) -> dict[str, Any]:
    """Give the figures of a run, in types that JSON has."""
    found, traffic = result.found, result.traffic
    return {
        "ok": all(check.holds for check in result.checks),
        "checks": [{"check": check.said, "ok": check.holds} for check in result.checks],
        "folder": folder,
        "messages": len(traffic.messages),
        "scored": found.predictions.num_rows,
        "published_twice": traffic.twice,
        "dead_letters": found.dead,
        "alerts": found.alerts,
        "versions": [
            {"model_version": version, "scored": scored, "first_offsets": first}
            for version, scored, first in found.versions
        ],
        "worker_kills": result.kills,
        "latency_seconds": {"p50": _latency(result, 0.5), "p99": _latency(result, 0.99)},
        "stream_seconds": round(result.ended.seconds, 1),
        "seconds": round(seconds, 1),
    }


def _latency(result: Result, share: float) -> float | None:
    """Give a quantile of the latency; a wide bucket says no more than the stream lasted."""
    found = result.metrics.overall(share)
    return None if found is None else min(found, result.ended.seconds)


def print_result(console: Console, result: Result) -> None:
    """Print what was checked, and the figures."""
    for check in result.checks:
        sign = "[green]✓[/]" if check.holds else "[bold red]✗[/]"
        console.print(f"{sign} ", end="")
        # A terminal breaks it between words, and a pipe wants it whole.
        console.print(check.said, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    table = Table(show_header=False, box=box.SIMPLE)
    table.add_column(style="dim")
    table.add_column()
    for version, scored, first in result.found.versions:
        offsets = ", ".join(f"{offset:,} of {name}" for name, offset in first.items())
        table.add_row(f"failure, anomaly {version}", f"{scored:,} events, from {offsets}")
    p50, p99 = (_latency(result, share) for share in (0.5, 0.99))
    if p50 is not None and p99 is not None:
        table.add_row(
            "latency",
            f"p50 {shown_time(p50)}, p99 {shown_time(p99)}, from bus to commit, with the outage",
        )
    table.add_row("stream", f"{result.ended.seconds:.0f} s, worker killed {result.kills} time")
    console.print(table)


def print_next_commands(console: Console, folder: Folder) -> None:
    """Print commands that work as they are in the current folder."""
    paths = {
        "definition": shorten(folder.definition),
        "database": shorten(folder.database),
        "registry": shorten(folder.registry),
        "bus": shorten(folder.bus),
        "port": folder.port,
    }
    console.print(f"All of it is in [bold]{shorten(folder.path)}[/]. Next:")
    print_commands(console, _NEXT, paths)
