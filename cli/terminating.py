"""What SIGTERM and Ctrl-C do to a command."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import click

from ..udfs.duckdb.interruption import interrupt_all

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

EXIT_TERMINATED = 128 + signal.SIGTERM
_PAUSE = 0.05
_Place: TypeAlias = tuple[int, int]


class Terminable(click.Group):
    """Commands that SIGTERM ends as an error does, so that what is half written goes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        if threading.current_thread() is not threading.main_thread():
            return super().invoke(ctx)
        with _Signals() as signals:
            try:
                return super().invoke(ctx)
            except (Exception, SystemExit) as error:
                # What a handler raises within a query comes out of it as an error of DuckDB's.
                if signals.taken == signal.SIGTERM:
                    sys.exit(EXIT_TERMINATED)
                if signals.taken == signal.SIGINT:
                    raise KeyboardInterrupt from error
                raise


class _Signals:
    """Handlers of SIGTERM and SIGINT, and a thread that ends the query which keeps them waiting.

    Python runs a handler in the main thread when that comes back from C, and DuckDB comes back when
    its query is done. The number of the signal is in a pipe at once, and a thread reads it there.
    """

    def __init__(self) -> None:
        self.taken: int | None = None
        self._place: _Place | None = None

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._take)
            for number in (signal.SIGTERM, signal.SIGINT)
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        numbers, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        self._pipe_before = signal.set_wakeup_fd(self._pipe, warn_on_full_buffer=False)
        threading.Thread(target=self._interrupt, args=(numbers,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._pipe_before)
        os.close(self._pipe)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.taken, self._place = number, _place(frame)
        if number == signal.SIGTERM:
            sys.exit(EXIT_TERMINATED)
        signal.default_int_handler(number, frame)

    def _interrupt(self, numbers: int) -> None:
        """Interrupt as long as the main thread stands in the call in which the signal found it.

        Once is not enough: DuckDB may run the handler within the query, and wait there for its
        other threads. Behind that call nothing is interrupted, for what is half done is undone by
        queries; nor where a command has handlers of its own, as a service that ends its run first.
        """
        with open(numbers, "rb", buffering=0) as pipe:
            while read := pipe.read(1):
                place = self._place or _place_of_main()
                while signal.getsignal(read[0]) == self._take and place == _place_of_main():
                    interrupt_all()
                    time.sleep(_PAUSE)


def _place_of_main() -> _Place | None:
    frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return _place(frames.get(threading.main_thread().ident or 0))


def _place(frame: FrameType | None) -> _Place | None:
    """Say where a frame stands, without keeping alive what it has."""
    return frame and (id(frame), frame.f_lasti)


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
