"""The view: a page of lines that fits the terminal. Nothing moves but what changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from .board import CLOSE_BELOW, OPEN_AT
from .traffic import BEGINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .board import Board, Figures, Machine, News

__all__ = ["page", "plain_line", "plain_news", "shown_time", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 110
_BESIDE_COURSE, _BESIDE_COURSE_WIDE = 39, 64
_LEAST_COURSE, _MOST_COURSE = 10, 120
_UNUSUAL = 0.5
_FIXED_LINES = 20


def page(board: Board, width: int, height: int) -> Text:
    """Write the page of a moment.

    Parameters
    ----------
    board
        What there is to show.
    width, height
        Of the terminal, in characters.
    """
    wide = width >= _WIDE
    beside = _BESIDE_COURSE_WIDE if wide else _BESIDE_COURSE
    course = min(max(width - beside, _LEAST_COURSE), _MOST_COURSE)
    used = course + beside
    lines = [*_head(board, used), Text(""), _columns(course, wide=wide)]
    lines += [
        _machine(name, machine, course, wide=wide) for name, machine in board.machines.items()
    ]
    lines += [Text(""), *_figures(board.figures), Text("")]
    lines += [_news(each) for each in board.news[-max(height - _FIXED_LINES, 1) :]]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines[:height])


def sparkline(course: Sequence[float | None], width: int) -> Text:
    """Draw probabilities as bars, each the highest of its part; a part without one stays empty."""
    text = Text()
    for place in range(width):
        start = place * len(course) // width
        end = max((place + 1) * len(course) // width, start + 1)
        known = [each for each in course[start:end] if each is not None]
        if known:
            text.append(_bar(max(known)), style=_style(max(known)))
        else:
            text.append(" ")
    return text


def plain_line(board: Board) -> str:
    """Say how it goes in one line, for where there is no terminal."""
    figures = board.figures
    open_now = [name for name, machine in board.machines.items() if machine.alert]
    parts = [
        f"{board.after:5.1f} s",
        f"published {figures.published:,}",
        f"scored {figures.scored:,}",
        f"dead letters {figures.dead}",
        f"{_number(figures.rate)} events/s",
        f"p50 {shown_time(figures.p50)}",
        f"p99 {shown_time(figures.p99)}",
        f"models {figures.models or '-'}",
        f"alerts {', '.join(open_now) or 'none'}",
    ]
    return "  ".join(parts)


def plain_news(news: News) -> str:
    """Say what happened, for where there is no terminal."""
    return f"{news.after:5.1f} s  {news.text}"


def _head(board: Board, width: int) -> list[Text]:
    title = Text.assemble(
        ("foresql demo-stream", "bold"), ("  predictive maintenance, generated signals", "dim")
    )
    clock = f"{_clock(min(board.after, board.seconds))} of {_clock(board.seconds)}"
    title.append(clock.rjust(max(width - len(title), len(clock) + 1)))
    share = min(board.after / board.seconds, 1.0)
    moment = BEGINS + timedelta(seconds=share * board.last)
    faster = board.last / board.seconds
    said = Text(f"event time {moment:%d %b %H:%M}, {faster:,.0f} times as fast", "dim")
    done = max(width - len(said) - 2, 0)
    said.append("  ")
    said.append("━" * int(done * share), style="cyan")
    said.append("━" * (done - int(done * share)), style="bright_black")
    return [title, said]


def _columns(course: int, *, wide: bool) -> Text:
    title = f"failure within the hour {'':{max(course - 24, 0)}}"[:course]
    row = f"{'machine':8} {title}  {'now':>4}  {'unusual':>7}"
    if wide:
        row += f"  {'vibration':>10}  {'temperature':>11}"
    return Text(f"{row}  state", style="dim")


def _machine(name: str, machine: Machine, course: int, *, wide: bool) -> Text:
    last = machine.last
    row = Text(f"{name:8} ")
    row.append(sparkline(machine.course, course))
    if last is None:
        return row
    row.append(f"  {last.probability:4.2f}", style=_style(last.probability))
    is_unusual = machine.unusual >= _UNUSUAL
    row.append(f"  {machine.unusual:7.0%}", style="magenta" if is_unusual else "dim")
    if wide:
        row.append(f"  {last.vibration:5.2f} mm/s  {last.temperature:8.1f} °C", style="dim")
    if machine.alert:
        row.append("  ")
        row.append(" ALERT ", style="bold white on red")
    elif is_unusual:
        row.append("  unusual", style="magenta")
    else:
        row.append("  ok", style="green")
    return row


def _figures(figures: Figures) -> list[Text]:
    first = (
        ("events/s", _number(figures.rate)),
        ("p50", shown_time(figures.p50)),
        ("p99", shown_time(figures.p99)),
        ("lag", _number(figures.lag)),
        ("dead letters", _number(figures.dead)),
    )
    second = (
        ("scored", _number(figures.scored)),
        ("models", figures.models or "-"),
        ("worker", figures.worker),
    )
    return [_labelled(first, 7), _labelled(second, 7)]


def _labelled(pairs: Sequence[tuple[str, str]], width: int) -> Text:
    text = Text()
    for label, value in pairs:
        text.append(f"{label} ", style="dim")
        text.append(f"{value:{width}}  ", style="bold")
    text.rstrip()
    return text


def _news(news: News) -> Text:
    return Text.assemble((f"{_clock(news.after):>5}  ", "dim"), (news.text, news.style))


def _bar(value: float) -> str:
    return _BARS[min(int(value * len(_BARS)), len(_BARS) - 1)]


def _style(value: float) -> str:
    if value >= OPEN_AT:
        return "red"
    return "yellow" if value >= CLOSE_BELOW else "green"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def shown_time(seconds: float | None) -> str:
    """Write a time as milliseconds, or as seconds from one on."""
    if seconds is None:
        return "-"
    return f"{1000 * seconds:.0f} ms" if seconds < 1.0 else f"{seconds:.1f} s"
