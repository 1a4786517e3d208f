"""Processes that use one registry at once, for `test_processes.py`.

Each line of standard input lists commands; each runs in a forked process of its own, all begin
together, and a line of standard output lists what each gave.
"""

import importlib.util
import json
import os
import sys

# The registry needs numpy only; all else that the package imports would be waited for in vain.
sys.modules["foresql"] = importlib.util.module_from_spec(importlib.util.find_spec("foresql"))

import numpy as np  # noqa: E402 - after the line above, as are the next ones

from foresql.errors import RegistryError  # noqa: E402
from foresql.ir import Column, ColumnType, Model, Outputs, Signature  # noqa: E402
from foresql.ir.bundle import Bundle  # noqa: E402
from foresql.ir.steps import Dot  # noqa: E402
from foresql.registry import ANY, Registry  # noqa: E402


def make_bundle(weight: float) -> Bundle:
    step = Dot(("x",), ("y",), np.array([[float(weight)]]), np.zeros(1))
    return Bundle(Model(Signature((Column("x", ColumnType.DOUBLE),)), (step,), Outputs(("y",))))


def publish(path: str, name: str, *weights: int) -> list[tuple[int, int]]:
    """Give the number that each weight got as its version."""
    registry = Registry.open(path, create=True)
    numbers = []
    for weight in weights:
        version = registry.add_version(name, make_bundle(weight))
        registry.move_alias(name, "latest", version.version, expected=ANY, reason="publish")
        numbers.append((version.version, weight))
    return numbers


def spell(path: str, name: str) -> str:
    """Tell whether the registry took a name."""
    try:
        publish(path, name, 1)
    except RegistryError:
        return "refused"
    return "taken"


def climb(path: str, alias: str, top: int) -> list[int]:
    """Move the alias from each version to the next; give the moves that were won."""
    registry = Registry.open(path)
    won = []
    for version in range(1, top):
        try:
            registry.move_alias("delay", alias, version + 1, expected=version)
        except RegistryError:
            continue
        won.append(version)
    return won


def roll_back(path: str, alias: str) -> int | None:
    """Tell where the alias went, if it did."""
    try:
        return Registry.open(path).rollback("delay", alias).version
    except RegistryError:
        return None


COMMANDS = {function.__name__: function for function in (publish, spell, climb, roll_back)}


def run_at_once(commands: list[list]) -> list:
    gate, opener = os.pipe()
    pipes = []
    for command in commands:
        answers, answer = os.pipe()
        if os.fork() == 0:
            os.close(opener)
            os.read(gate, 1)  # returns when the last writer, below, has closed it
            os.write(answer, json.dumps(COMMANDS[command[0]](*command[1:])).encode())
            os._exit(0)
        os.close(answer)
        pipes.append(answers)
    os.close(opener)
    os.close(gate)
    return [read_answer(answers) for answers in pipes]


def read_answer(descriptor: int) -> object:
    with os.fdopen(descriptor, "rb") as pipe:
        text = pipe.read()
    _, status = os.wait()
    return json.loads(text) if status == 0 else "crashed"


if __name__ == "__main__":
    os.fsync = lambda _: None  # processes race here, and nobody cuts the power
    for line in sys.stdin:
        print(json.dumps(run_at_once(json.loads(line))), flush=True)  # noqa: T201 - its answer
