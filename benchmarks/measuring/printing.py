"""Print rows as a table for people and as one line of JSON for programs."""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .rows import Row

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))


def report(benchmark: str, rows: Sequence[Row]) -> None:
    """Print the table, and one JSON object as the last line."""
    shown = {
        name: texts
        for name, text in _COLUMNS.items()
        if any(texts := [text(row) for row in rows]) or name == "case"
    }
    table = Table(*shown)
    for texts in zip(*shown.values(), strict=True):
        table.add_row(*texts)
    Console(width=160).print(table, soft_wrap=False)
    print(
        json.dumps(
            {"benchmark": benchmark, "machine": machine(), "rows": [_plain(row) for row in rows]},
            allow_nan=False,
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


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    size, unit = next((size, unit) for size, unit in _UNITS if value >= size)
    return f"{value / (size or 1e-9):.3g} {unit}"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return "none"
    return f"{row.ratio:.2f}" if row.ratio >= row.bar else f"{row.ratio:.2f} (short)"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


# A column in which every row is empty is not shown.
_COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "case": lambda row: row.case,
    "peer": lambda row: row.peer,
    "threads": lambda row: str(row.threads),
    "ours": lambda row: _seconds(row.ours_seconds),
    "peer's": lambda row: _seconds(row.peer_seconds),
    "ratio": _ratio,
    "bar": lambda row: f"{row.bar:g}" if row.bar else "",
    "our difference": lambda row: _number(row.max_diff),
    "peer's difference": lambda row: _number(row.peer_diff),
    "peer's wrong rows": lambda row: row.wrong_rows,
    "peak, MB": lambda row: _number(row.peak_mb),
    "note": lambda row: row.note,
}


def _plain(row: Row) -> dict[str, object]:
    """Give a row's fields; JSON has no infinity."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(row).items()
    }
