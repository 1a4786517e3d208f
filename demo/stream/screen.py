"""Where the run is shown: a page that stays in place in a terminal, else plain lines."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live

from .view import page, plain_line, plain_news

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console

    from .board import Board

__all__ = ["Screen", "opened_screen"]

_EVERY = 2.0


class Screen:
    """Shows a board again and again."""

    def __init__(self, console: Console, live: Live | None) -> None:
        """Take the terminal's page, if there is one."""
        self._console = console
        self._live = live
        self._told = 0
        self._next = 0.0

    def show(self, board: Board) -> None:
        """Show how it is now."""
        if self._live is not None:
            size = self._console.size
            self._live.update(page(board, size.width, size.height), refresh=True)
            return
        for news in board.news[self._told :]:
            self._print(plain_news(news))
        self._told = len(board.news)
        if board.after >= self._next:
            self._print(plain_line(board))
            self._next = board.after + _EVERY

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def opened_screen(console: Console) -> Generator[Screen]:
    """Have the whole terminal while the block runs; afterwards it is as it was before."""
    if not console.is_terminal or console.quiet:
        yield Screen(console, None)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield Screen(console, live)
