"""A registry, bundles to put into it, and processes that do so at once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import deadline

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir.bundle import Bundle
from foresql.ir.steps import Dot
from foresql.registry import ANY, Registry


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Nobody cuts the power during tests; `test_atomic.py` checks that files are synced."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def make_bundle():
    def make(weight: float, **card) -> Bundle:
        step = Dot(("x",), ("y",), np.array([[float(weight)]]), np.zeros(1))
        signature = Signature((Column("x", ColumnType.DOUBLE),))
        return Bundle(Model(signature, (step,), Outputs(("y",))), card)

    return make


@pytest.fixture(scope="session")
def weight_of():
    """The weight of a bundle that `make_bundle` made."""
    return lambda bundle: bundle.model.steps[0].weights[0, 0]


@pytest.fixture
def registry(tmp_path):
    return Registry.open(tmp_path / "registry", create=True)


@pytest.fixture
def delay(registry, make_bundle):
    """A registry with four versions of `delay`, and `champion` at the first."""
    for weight in (1, 2, 3, 4):
        registry.add_version("delay", make_bundle(weight))
    registry.move_alias("delay", "champion", 1, expected=ANY, reason="publish")
    return registry


@pytest.fixture(scope="session")
def at_once():
    """Run commands of `worker.py`, each in a process of its own, all at the same time."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked, to begin together")
    command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:

        def run(*commands: list[object]) -> list[Any]:
            worker.stdin.write(json.dumps(commands, default=str) + "\n")
            worker.stdin.flush()
            with deadline(worker):
                return json.loads(worker.stdout.readline())

        yield run
        worker.stdin.close()


@pytest.fixture(scope="session")
def reading():
    """Read all there is in a thread, over and over; gives the numbers of versions it saw."""

    @contextmanager
    def read(registry: Registry) -> Iterator[list[int]]:
        seen: list[int] = []
        stop = threading.Event()

        def loop() -> None:
            while not stop.is_set():
                read_everything(registry)
                seen.append(len(registry.versions("delay")))

        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(loop)
            yield seen
            stop.set()
            reader.result()

    return read


def read_everything(registry: Registry) -> None:
    for model in registry.models():
        registry.load(registry.version(model.name, model.versions[-1]))
        for alias in model.aliases:
            registry.load(registry.resolve(f"{model.name}@{alias}"))
            registry.history(model.name, alias)
