"""Time two ways of doing the same work in one run, and print what every benchmark prints."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: ``ratio`` above 1 means that ours is faster by that factor."""

    case: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    ratio: float
    bar: float
    max_diff: float


def compare(  # noqa: PLR0913 - the columns of the table
    case: str,
    peer: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    bar: float,
    max_diff: float,
    rounds: int = ROUNDS,
) -> Row:
    """Time both in turn, so that a slow moment of the machine meets both; take medians."""
    ours(), theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, seconds in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
    mine, other = (statistics.median(seconds) for seconds in times)
    return Row(case, peer, mine, other, other / mine, bar, max_diff)


def report(benchmark: str, rows: list[Row]) -> None:
    """Print the table, and one JSON object as the last line."""
    table = Table("case", "peer", "ours, s", "peer, s", "ratio", "bar", "largest difference")
    for row in rows:
        mark = "" if row.ratio >= row.bar else " (short)"
        table.add_row(
            row.case,
            row.peer,
            f"{row.ours_seconds:.4f}",
            f"{row.peer_seconds:.4f}",
            f"{row.ratio:.2f}{mark}",
            f"{row.bar:g}",
            f"{row.max_diff:.3g}",
        )
    Console(width=140).print(table)
    print(
        json.dumps(
            {"benchmark": benchmark, "machine": machine(), "rows": [asdict(row) for row in rows]}
        )
    )


def machine() -> str:
    """Name the processor and the number of its cores."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(": ")[2] if names else cpu
    return f"{cpu}, {os.cpu_count()} cores"
