"""What SIGTERM and Ctrl-C do to a command."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

EXIT_TERMINATED = 128 + signal.SIGTERM
_TERMINATED = "foresql.cli: terminated"
_BY_DUCKDB = "Query interrupted"


class Terminable(click.Group):
    """Commands that SIGTERM ends as an error does, so that what is half written goes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command.

        While a query runs DuckDB puts an error of its own in the place of what a handler raises.
        """

        def terminate(_signal: int, _frame: FrameType | None) -> None:
            ctx.meta[_TERMINATED] = True
            sys.exit(EXIT_TERMINATED)

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminate)
        try:
            return super().invoke(ctx)
        except (RuntimeError, SystemExit) as error:
            if ctx.meta.get(_TERMINATED):
                sys.exit(EXIT_TERMINATED)
            if str(error) == _BY_DUCKDB:
                raise KeyboardInterrupt from error
            raise


@contextmanager
def stopping(stop: threading.Event) -> Generator[None]:
    """Set an event at SIGTERM and SIGINT, in place of what they do else."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        # Not here: stop.wait() may be what was interrupted, and hold the lock that set() takes.
        threading.Thread(target=stop.set, daemon=True).start()

    handlers = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
