"""Ends tests that hang, with the processes that they started.

The signal of pytest-timeout ends a test that waits in Python. Here is what it does not end: a wait
for a child, which goes on when the child is killed, and a call into C, with which the process goes.
"""

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOR_SIGNAL, _FOR_TEARDOWN = 2.0, 60.0
_MARK = "FORESQL_TESTED_BY"
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Hanging:
    """Watches each test from a thread: longer than its timeout, it and its children are ended."""

    def __init__(self, config: pytest.Config) -> None:
        # What a test starts says by its variables whose it is.
        os.environ[_MARK] = _mark(
            os.environ.get("PYTEST_XDIST_TESTRUNUID"), os.environ.get("PYTEST_XDIST_WORKER")
        )
        # Nothing is captured yet: what is printed here while a test runs goes to the terminal.
        self._terminal = os.dup(2)
        self._config = config
        self._test: _Test | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, settings) -> None:
        if settings.timeout:
            self._test = _Test(settings.timeout)
            watch = threading.Thread(target=self._test.watch, args=(self._terminal,), daemon=True)
            watch.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        # Not where pytest-timeout ends its timer, which is before the fixtures end.
        try:
            return (yield)
        finally:
            if self._test:
                self._test.end()
            if running := self._running():
                running.write_text("")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Run no test again that ended its process: xdist gives it to the next one."""
        running = self._running()
        if running:
            others = running.parent.glob("*.running")
            if item.nodeid in [each.read_text() for each in others]:
                pytest.fail("It ended the process that ran it: the terminal says where.")
            running.write_text(item.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error) -> None:
        if error:
            mark = _mark(node.workerinput["testrunuid"], node.gateway.id)
            _kill(_marked(f"{_MARK}={mark}"))

    def pytest_enter_pdb(self) -> None:
        if self._test:
            self._test.ended.set()

    def _running(self) -> Path | None:
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        shared = self._config._tmp_path_factory.getbasetemp().parent
        return shared / f"{worker}.running" if worker else None


class _Test:
    """A test that runs, and the deadline of it."""

    def __init__(self, limit: float) -> None:
        self._begun, self._limit = _now(), limit
        self.ended = threading.Event()

    def watch(self, terminal: int) -> None:
        if self.ended.wait(self._limit + _FOR_SIGNAL):
            return
        self._end_children()
        if self.ended.wait(_FOR_TEARDOWN):
            return
        faulthandler.dump_traceback(terminal)
        self._begun = 0
        self._end_children()
        os._exit(1)

    def end(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            if _now() - self._begun >= self._limit:
                self._end_children()

    def _end_children(self) -> None:
        """End what began with the test: by its parents, or by the mark.

        A daemon has lost its parents, and a process with variables of its own the mark.
        """
        ours = _marked(f"{_MARK}={os.environ[_MARK]}")
        processes = {
            number: parent for number, parent, began in _processes() if began >= self._begun - _TICK
        }
        ours = ours & processes.keys() | {each for each in processes if _descends(each, processes)}
        _kill(ours - {os.getpid()})


def _now() -> float:
    """Give the time by the clock that processes' beginnings are told by, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _mark(run: str | None, worker: str | None) -> str:
    return f"{run}-{worker}" if run else str(os.getpid())


def _processes() -> Iterator[tuple[int, int, float]]:
    """Give the number, the parent and the beginning of each process."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(folder.name), int(fields[1]), int(fields[19]) * _TICK


def _marked(variable: str) -> set[int]:
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def _descends(process: int, parents: dict[int, int]) -> bool:
    while process in parents:
        process = parents[process]
    return process == os.getpid()


def _kill(processes: set[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
