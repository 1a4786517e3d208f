"""A plan: statements in order, which a person can review and a session can run.

Nothing here knows an engine. Each step says what it does, and how it is taken back if a later one
fails before what callers see has changed.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 96


class Phase(StrEnum):
    """What a step is for. Callers notice nothing before ``SWITCH``."""

    PREPARE = "prepare"
    CREATE = "create"
    CHECK = "check"
    GRANT = "grant"
    SWITCH = "switch"
    RECORD = "record"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a stage: its bytes, and its whole address (``@"DB"."SCHEMA"."STAGE"/path``)."""

    content: bytes = field(repr=False)
    stage_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement of a plan.

    Attributes
    ----------
    what
        What it does, in one sentence.
    sql
        The statement, without a semicolon. For an upload it is what a person runs instead.
    phase
        What it is for.
    role
        The role that runs it, where it is not the plan's.
    upload
        What a session uploads instead of running ``sql``.
    undo
        Statements that take the step back, in their order.
    report
        Whether the result is a table to be shown.
    """

    what: str
    sql: str
    phase: Phase
    role: str | None = None
    upload: Upload | None = None
    undo: tuple[str, ...] = ()
    report: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in their order.

    Attributes
    ----------
    title
        What the whole does, in one line.
    header
        Lines for whoever reviews it: model, hashes, certificate, roles, how it is run.
    steps
        What is run.
    role
        The role that runs it; its first step takes it.
    """

    title: str
    header: tuple[str, ...]
    steps: tuple[Step, ...]
    role: str | None = None

    def script(self) -> str:
        """Write the plan as one script. The same plan gives the same bytes."""
        lines = [*_comment(self.title), "--"]
        for line in self.header:
            lines += _comment(line)
        number = 0
        for phase, steps in groupby(self.steps, key=lambda step: step.phase):
            lines += ["", f"-- ==== {phase} ".ljust(_WIDTH, "=")]
            for step in steps:
                number += 1
                lines += ["", *self._step(number, step)]
        return "\n".join(lines) + "\n"

    def _step(self, number: int, step: Step) -> Iterator[str]:
        as_role = f", as {step.role}" if step.role else ""
        yield from _comment(f"{number} of {len(self.steps)}{as_role}: {step.what}")
        yield f"{step.sql};"
        for statement in step.undo:
            yield from _kept_lines("-- Undo: ", f"{statement};")


def printable(text: str) -> str:
    """Keep what cannot end a comment, nor hide in one."""
    return "".join(each if each.isprintable() else " " for each in text)


def _comment(line: str) -> list[str]:
    if not line:
        return ["--"]
    return [
        f"-- {part}"
        for part in textwrap.wrap(
            printable(line), _WIDTH - 3, break_on_hyphens=False, subsequent_indent="  "
        )
    ]


def _kept_lines(first: str, text: str) -> Iterator[str]:
    """Put a statement into a comment, line by line as it is."""
    for index, line in enumerate(text.splitlines()):
        yield (first if index == 0 else "--       ") + printable(line)
