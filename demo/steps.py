"""The demo's steps on the screen: a spinner or a bar while one runs, a line when it is done."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console

__all__ = ["Step", "Steps"]


@dataclass(slots=True)
class Step:
    """A step that runs."""

    title: str
    """What the line says when the step is done; may be changed while it runs."""
    screen: Progress
    task: TaskID
    seconds: float = 0.0
    """Wall-clock seconds, once the step is done."""

    def say(self, what: str) -> None:
        """Show what the step does at the moment."""
        self.screen.update(self.task, description=f"{self.title} [dim]({what})[/]")

    def advance(self, done: int, total: int) -> None:
        """Show how much of the step is done."""
        self.screen.update(self.task, completed=done, total=total)


@dataclass(frozen=True, slots=True)
class Steps:
    """Runs steps, one after the other."""

    console: Console
    started: float = field(default_factory=perf_counter)

    @contextmanager
    def step(self, title: str) -> Generator[Step]:
        """Show a step while the block runs; print its title and seconds afterwards."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
        )
        terminal = self.console.is_terminal
        with Progress(
            *columns, console=self.console, transient=True, disable=not terminal
        ) as screen:
            step = Step(title, screen, screen.add_task(title, total=None))
            started = perf_counter()
            yield step
            step.seconds = perf_counter() - started
        self.console.print(f"[green]✓[/] {step.title} [dim]{step.seconds:.1f} s[/]")

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the first step could begin."""
        return perf_counter() - self.started
