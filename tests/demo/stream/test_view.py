"""The view as text: ``FORESQL_GOLDEN=write`` writes it anew."""

import os
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from foresql.demo.stream.board import Board, Figures, News, Score
from foresql.demo.stream.machines import MACHINES
from foresql.demo.stream.screen import opened_screen
from foresql.demo.stream.traffic import BEGINS
from foresql.demo.stream.view import page, sparkline

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(80, 24), (150, 40), (60, 20)]


@pytest.fixture
def board():
    board = Board(seconds=40.0, last=14_400.0, after=26.0)
    for step in range(900):
        for place, name in enumerate(MACHINES):
            grows = min(step / 900, 1.0) ** 2 if place == 6 else 0.01 * place
            at = BEGINS + timedelta(seconds=10 * step)
            board.take(Score(name, at, grows, place == 2, 1.25 + grows, 40.0 + place))
    board.machines[MACHINES[6]].alert = True
    board.figures = Figures(
        rate=503.4,
        p50=0.0123,
        p99=0.456,
        lag=12,
        published=13_000,
        scored=12_990,
        dead=31,
        models="failure 2, anomaly 1",
        worker="runs, process 4711",
    )
    board.news = [
        News(0.1, "sensors, bus and worker run"),
        News(10.0, "promoted failure:2, trained on more hours, to failure@champion", "cyan"),
        News(15.2, "killed the worker, process 4711, by SIGKILL", "yellow"),
        News(18.9, "the worker is back after 2.1 s and goes on behind its positions"),
        News(22.7, "alert of pump-07 opened at 09:12, 0.72", "red"),
    ]
    return board


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_is_as_it_was(board, width, height):
    shown = drawn(page(board, width, height), width)
    golden = GOLDEN / f"view_{width}x{height}.txt"
    if os.environ.get("FORESQL_GOLDEN") == "write":
        golden.write_text(shown)
    assert shown == golden.read_text()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_fits(board, width, height):
    lines = drawn(page(board, width, height), width).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_an_empty_board_is_a_page():
    shown = drawn(page(Board(seconds=40.0, last=14_400.0), 80, 24), 80)
    assert all(name in shown for name in MACHINES)


def test_bars_grow_with_the_probability_and_stay_where_they_are():
    course = [0.0, 0.2, 0.5, 1.0, None, None]
    assert sparkline(course, 6).plain == "▁▂▅█  "
    assert sparkline(course, 3).plain == "▂█ "


def test_without_a_terminal_there_are_lines(board):
    console = Console(file=StringIO(), width=80)
    with opened_screen(console) as screen:
        screen.show(board)
        screen.show(board)
    printed = console.file.getvalue()
    assert "\x1b" not in printed
    assert printed.count("alert of pump-07 opened") == 1
    assert "scored 12,990" in printed
    assert len(printed.splitlines()) == len(board.news) + 1


def test_a_terminal_is_given_back(board):
    console = Console(file=StringIO(), width=80, height=24, force_terminal=True)
    with opened_screen(console) as screen:
        screen.show(board)
        # A page that clears the screen before it is drawn flickers.
        console.file.truncate(0)
        screen.show(board)
        assert "\x1b[2J" not in console.file.getvalue()
    assert console.file.getvalue().endswith(("\x1b[?1049l\x1b[?25h", "\x1b[?25h\x1b[?1049l"))


def drawn(text, width):
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(text, soft_wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
