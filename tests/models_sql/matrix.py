# ruff: noqa: T201 - it prints a report
"""The whole coverage matrix: every case of the grid and every example, as SQL, in every engine.

    python tests/models_sql/matrix.py                        all engines that run here
    python tests/models_sql/matrix.py spark mariadb          these
    python tests/models_sql/matrix.py --strategy case --only lightgbm

For each engine it counts the models whose answers are the kernel's, those that are refused, with
the reasons, and those that are wrong, which it names. It ends with 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))
_SPEC = importlib.util.spec_from_file_location("conftest", HERE / "conftest.py")
assert _SPEC is not None
assert _SPEC.loader is not None
oracle: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

AGREES, REFUSED, WRONG, SLOW, NONE = "agrees", "refused", "wrong", "slow", "no model"


@dataclass(frozen=True)
class Finding:
    """What came of a model in an engine, and how long it took."""

    engine: str
    model: str
    outcome: str
    reason: str = ""
    seconds: float = 0.0


def models(only: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name what is fitted: the grid first, then an example of each estimator."""
    from examples import examples
    from grid import cases

    for case in cases():
        if only in case.name:
            yield case.name, case.fit
    for each in examples():
        name = f"{each.library}: {each.estimator} {each.role}"
        if only in name:
            yield name, each.fit


def prepared(fit: Callable[[], Any]) -> tuple[Any, Any, list[Any]] | None:
    """Give the model, its table and others to score; None where the frontend refuses it."""
    from foresql import ForesqlError
    from foresql.frontends import Training, convert

    fitted = fit()
    if fitted is None:
        return None
    estimator, frame, others = (*fitted, ())[:3]
    try:
        training = Training.of(frame, estimator)
        model = convert(estimator, training)
    except ForesqlError:
        return None
    names = list(model.signature.names)
    tables = [Training.of(other, estimator).table.select(names) for other in others]
    return model, training.table, tables


def tried(engine: Any, name: str, given: tuple[Any, Any, list[Any]], strategy: str) -> Finding:
    """Score a model in an engine."""
    from foresql import UnsupportedModelError

    model, table, others = given
    start = time.monotonic()
    outcome, reason = AGREES, ""
    options: dict[str, Any] = {"strategy": strategy} if strategy else {}
    try:
        try:
            oracle.check_model(engine, model, table, others=others, **options)
        except UnsupportedModelError as error:
            if "double_sums=True" not in str(error):
                raise
            oracle.check_model(engine, model, table, others=others, double_sums=True, **options)
            reason = "with double sums"
    except UnsupportedModelError as error:
        outcome, reason = REFUSED, reason_of(error)
    except Exception as error:  # noqa: BLE001 - whatever happens is a finding
        outcome, reason = WRONG, f"{type(error).__name__}: {error}"[:2000]
        if not str(error) or not isinstance(error, (AssertionError, oracle.engines.EngineError)):
            reason += traceback.format_exc()[-1500:]
    return Finding(engine.name, name, outcome, reason, round(time.monotonic() - start, 2))


def reason_of(error: Any) -> str:
    """Give the reason of a refusal without the names and numbers of one model."""
    step = str(error.step).split(" in SQL for ", maxsplit=1)[0]
    return re.sub(r"\d[\d,.e+-]*", "N", f"{step}: {error.reason}")


def report(findings: list[Finding]) -> None:
    """Print the table, the reasons, and what is wrong."""
    names = list(dict.fromkeys(each.engine for each in findings))
    shown = (AGREES, REFUSED, WRONG, SLOW)
    print(f"{'engine':<12}{''.join(f'{key:>{len(key) + 2}}' for key in shown)}{'seconds':>9}")
    for name in names:
        own = [each for each in findings if each.engine == name]
        counts = Counter(each.outcome for each in own)
        seconds = sum(each.seconds for each in own)
        row = "".join(f"{counts[key]:>{len(key) + 2}}" for key in shown)
        print(f"{name:<12}{row}{seconds:>9.0f}")
    for name in names:
        reasons = Counter(
            each.reason for each in findings if each.engine == name and each.outcome == REFUSED
        )
        print(f"\n{name} refuses:")
        for reason, count in reasons.most_common():
            print(f"{count:>5}  {reason}")
    for each in findings:
        if each.outcome in {WRONG, SLOW}:
            print(f"\n{each.outcome.upper()} {each.engine}, {each.model}: {each.reason}")


def given() -> argparse.Namespace:
    """Read what is asked for."""
    names = [engine.name for engine in oracle.engines.ENGINES]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("engines", nargs="*", metavar="engine", help=", ".join(names))
    parser.add_argument("--strategy", default="", help="how forests are written")
    parser.add_argument("--only", default="", help="a part of the models' names")
    parser.add_argument("--lines", default="", help="a file of findings, which a later run goes on")
    parser.add_argument("--limit", type=int, default=300, help="seconds for a model in an engine")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.engines = asked.engines or names
    return asked


def run_engine(asked: argparse.Namespace) -> None:
    """Run one engine in this process, which ends where a model takes too long."""
    (name,) = asked.engines
    engine = next(each for each in oracle.engines.ENGINES if each.name == name)()
    done = {(each.engine, each.model) for each in read_findings(asked.lines)}
    for model, fit in models(asked.only):
        if (name, model) in done:
            continue
        faulthandler.dump_traceback_later(asked.limit, exit=True)
        # This stays where the process ends before there is another.
        add_finding(asked.lines, Finding(name, model, SLOW, f"over {asked.limit} s", asked.limit))
        made = prepared(fit)
        none = Finding(name, model, NONE)
        found = none if made is None else tried(engine, model, made, asked.strategy)
        add_finding(asked.lines, found)
        faulthandler.cancel_dump_traceback_later()


def add_finding(lines: str, finding: Finding) -> None:
    with Path(lines).open("a") as file:
        file.write(json.dumps(asdict(finding)) + "\n")


def read_findings(lines: str) -> list[Finding]:
    """Read the last finding of each model in each engine."""
    path = Path(lines)
    found = [Finding(**json.loads(line)) for line in path.open()] if path.exists() else []
    return list({(each.engine, each.model): each for each in found}.values())


def main() -> int:
    """Run each engine in a process of its own, again where it ended early."""
    asked = given()
    if asked.one:
        warnings.simplefilter("ignore")
        run_engine(asked)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        lines = asked.lines or str(Path(folder) / "lines")
        options = ["--one", f"--strategy={asked.strategy}", f"--only={asked.only}"]
        options += [f"--lines={lines}", f"--limit={asked.limit}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        for name in asked.engines:
            before = -1
            while before < len(read_findings(lines)):
                before = len(read_findings(lines))
                command = [sys.executable, __file__, name, *options]
                if subprocess.run(command, env=environment, check=False).returncode == 0:
                    break
        findings = read_findings(lines)
    report(findings)
    return int(any(each.outcome in {WRONG, SLOW} for each in findings))


if __name__ == "__main__":
    sys.exit(main())
