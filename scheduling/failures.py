"""Why dbt failed, and whether trying again can help."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..udfs.duckdb.holder import find_holder

if TYPE_CHECKING:
    from ..udfs.duckdb.holder import Holder
    from .dbt_process import Ended

__all__ = ["Failure", "explain"]

PREFIX = re.compile(r"^\d\d:\d\d:\d\d\s+(?:\[\w+\s*\]: )?")
# These stay as they are until somebody edits the project, its profile or the command.
FINAL_KINDS = (
    "Compilation Error",
    "Dependency Error",
    "Parsing Error",
    "Usage: dbt",
    "Validation Error",
)
FINAL_TEXTS = (
    "Could not find profile named",
    "Credentials in profile",
    "No dbt_project.yml found",
    "does not have a target named",
    "dbt deps",
    "not provided",
)
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed."""

    message: str
    is_final: bool
    """Trying again gives the same."""


def explain(ended: Ended, project: Path, started: datetime) -> Failure:
    """Say why dbt failed, from what it printed and from its `run_results.json`.

    Parameters
    ----------
    ended
        The process.
    project
        The dbt project's folder.
    started
        When the process began: results of an earlier run are not this one's.
    """
    text = "\n".join(ended.lines)
    if locked := find_holder(text):
        return Failure(describe_lock(locked), is_final=False)
    if ended.timed_out:
        return Failure("dbt took longer than --timeout and was interrupted.", is_final=False)
    failed = failed_nodes(project, started)
    if failed:
        first = failed[0]
        message = one_line(f"{first['unique_id']}: {first.get('message') or first['status']}")
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return Failure(message + more, is_final=all(map(is_final_node, failed)))
    return explain_printed([PREFIX.sub("", line) for line in ended.lines], ended.code)


def failed_nodes(project: Path, started: datetime) -> list[dict[str, Any]]:
    target = project / os.environ.get("DBT_TARGET_PATH", "target")
    try:
        results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))
        written = datetime.fromisoformat(results["metadata"]["generated_at"])
        if (written if written.tzinfo else written.replace(tzinfo=UTC)) < started:
            return []
        return [
            node
            for node in results["results"]
            if node["status"] in {"error", "fail", "runtime error", "partial success"}
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def is_final_node(node: dict[str, Any]) -> bool:
    """Say whether it fails again: a test on the same data does, and text that does not compile."""
    message = (node.get("message") or "").lstrip()
    return node["status"] == "fail" or message.startswith("Compilation Error")


def explain_printed(lines: list[str], code: int) -> Failure:
    said = [line for line in lines if line.strip()]
    starts = [number for number, line in enumerate(said) if "Encountered an error" in line]
    usage = [number for number, line in enumerate(said) if line.startswith("Usage: dbt")]
    start = (starts or usage or [max(len(said) - 3, 0)])[-1]
    told = [line for line in said[start:] if line.strip() != "Encountered an error:"][:4]
    message = one_line(" ".join(told)) or f"dbt ended with the exit code {code} and said nothing."
    is_final = message.startswith(FINAL_KINDS) or any(text in message for text in FINAL_TEXTS)
    return Failure(message, is_final)


def describe_lock(holder: Holder) -> str:
    """Name the process that holds a DuckDB file; its arguments may hold secrets."""
    pid = holder.pid
    since = ""
    try:
        began = datetime.fromtimestamp(Path(f"/proc/{pid}").stat().st_ctime, UTC)
        since = f", which began at {began:%Y-%m-%d %H:%M:%S} UTC"
    except OSError:
        pass
    return (
        f"{holder.file} is open in another process: {holder.program}, process {pid}{since}. "
        "One process that writes keeps all others out of a DuckDB file.\n"
        f"  What to do: close it there, or end it, `kill {pid}`. Notebooks, BI tools and shells "
        "belong on a copy: `foresql publish-serving`. To try again later: --retries 3."
    )


def one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
