"""A model as SQL in DuckDB, planning included, against ``Booster.predict`` and other SQL.

Ours is planned anew in each run, as it would be for a user, and reads a table of DuckDB's own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
from measuring import Row, compare, interleave, largest_difference, refused, report, timed
from measuring.boosters import hard_rows
from measuring.environments import Peer, PeerError
from measuring.nested_case import nested_case
from sklearn.ensemble import GradientBoostingRegressor

from foresql.frontends import Training, convert
from foresql.ir.steps import Forest
from foresql.models_sql import compile_query, target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from foresql.ir import Model

ROWS, COLUMNS, TRAINED, HARD_ROWS = 1_000_000, 20, 20_000, 12_000
NAMES = [f"x{index}" for index in range(COLUMNS)]
BAR = 1.0
ROUTES = (("auto", 1, 3), ("auto", None, 1), ("mask", 1, 1), ("case", 1, 1))
"""Strategies, threads, and rounds; None are as many threads as DuckDB takes by itself."""
MOST_SECONDS, MOST_MB = 30.0, 1024.0
ROUNDINGS = 10
"""A larger difference than so many roundings of the largest answer is another leaf."""
COMPILE = "--compile"


def main() -> None:
    """Compare the rule's choice and each strategy, then others' SQL, then a large forest."""
    matrix, target = rows_of()
    booster = train(matrix, target, 100)
    model = converted(booster, matrix)
    small = lgb_case(model, booster, matrix)
    rows = [small.against_library(*route) for route in ROUTES]
    rows += [small.against_nested_case(), against_orbital(matrix, target)]
    report("sql", [*rows, *large(matrix, target)])


def rows_of() -> tuple[np.ndarray, np.ndarray]:
    """Draw rows and what is to be learned."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=ROWS) / 10
    return matrix, target


def train(matrix: np.ndarray, target: np.ndarray, trees: int) -> lgb.Booster:
    """Train trees of 31 leaves."""
    options = {"num_leaves": 31, "verbose": -1, "seed": 1, "num_threads": 1}
    data = lgb.Dataset(matrix[:TRAINED], target[:TRAINED], feature_name=NAMES)
    return lgb.train(options, data, trees)


def converted(fitted: object, matrix: np.ndarray) -> Model:
    """Convert a model that was fitted on the first rows."""
    return convert(fitted, Training.of(pd.DataFrame(matrix[:1_000], columns=NAMES), fitted))


class Scored:
    """A model, rows in DuckDB, and the library's answers."""

    def __init__(
        self,
        model: Model,
        matrix: np.ndarray,
        predict: Callable[[np.ndarray], np.ndarray],
        taken: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> None:
        """Put the rows into a table, and ones on thresholds, as the library takes them, too."""
        self.model = model
        self.predict = lambda: predict(matrix)
        self.hard = taken(hard_rows(model, matrix, HARD_ROWS))
        self.expected, self.expected_hard = predict(matrix), predict(self.hard)
        self.rows = len(matrix)
        self.connection = duckdb.connect()
        [(self.threads,)] = self.connection.sql("SELECT current_setting('threads')").fetchall()
        for name, given in (("rows", matrix), ("hard", self.hard)):
            columns = dict(zip(NAMES, map(pa.array, given.T), strict=True))
            self.connection.register("given", pa.table(columns))
            self.connection.execute(f"CREATE TABLE {name} AS FROM given")

    def query(self, strategy: str, source: str = "rows", keep: tuple[str, ...] = ()) -> str:
        """Write the model."""
        target = target_of("duckdb")
        return compile_query(self.model, target, source, strategy=strategy, keep=keep).text

    def difference(self, strategy: str) -> float:
        """Compare all answers, of ordinary rows and of those on thresholds."""
        found = [
            self.answers(f"SELECT * FROM ({self.query(strategy, source, ('rowid',))})")
            for source in ("rows", "hard")
        ]
        pairs = zip(found, (self.expected, self.expected_hard), strict=True)
        return max(largest_difference(ours, theirs) for ours, theirs in pairs)

    def answers(self, query: str) -> np.ndarray:
        """Give the answers to a query with a column ``rowid`` in the order of the rows."""
        found = self.connection.sql(f"SELECT prediction FROM ({query}) ORDER BY rowid")
        return found.fetchnumpy()["prediction"]

    def ours(self, strategy: str, threads: int = 1) -> Callable[[], object]:
        """Give what is timed."""
        self.connection.execute(f"SET threads = {threads}")
        query = self.query(strategy)
        return lambda: self.connection.sql(query).fetchnumpy()

    def against_library(self, strategy: str, threads: int | None, rounds: int) -> Row:
        """Score all rows, in turn with the library on one thread."""
        trees = sum(step.trees.count for step in self.model.steps if isinstance(step, Forest))
        is_default = strategy == "auto" and threads == 1
        used = threads or self.threads
        return compare(
            f"{self.rows:,} rows, {trees:,} trees x 31: {strategy}",
            "Booster.predict, 1 thread",
            self.ours(strategy, used),
            self.predict,
            bar=BAR if is_default else 0.0,
            max_diff=self.difference(strategy),
            rounds=rounds,
            threads=used,
            note=strategies(self.model) if strategy == "auto" else "",
        )

    def against_nested_case(self) -> Row:
        """Compare with the CASEs that anyone would write, in one SELECT."""
        [trees] = [step.trees for step in self.model.steps if isinstance(step, Forest)]
        naive = nested_case(trees, NAMES, "rows")
        hard = self.answers(nested_case(trees, NAMES, "hard").replace("SELECT", "SELECT rowid,", 1))
        row = compare(
            f"{self.rows:,} rows, {trees.count:,} trees x 31: auto",
            "nested CASE, one SELECT",
            self.ours("auto"),
            lambda: self.connection.sql(naive).fetchnumpy(),
            bar=BAR,
            max_diff=self.difference("auto"),
            rounds=1,
        )
        return replace(row, wrong_rows=f"{wrong(hard, self.expected_hard)} hard ones")


def lgb_case(model: Model, booster: lgb.Booster, matrix: np.ndarray) -> Scored:
    """Let LightGBM answer on one thread."""
    return Scored(model, matrix, lambda rows: booster.predict(rows, num_threads=1))


def strategies(model: Model) -> str:
    """Name what the rule chooses."""
    return ", ".join(compile_query(model, target_of("duckdb"), "rows").strategies)


def wrong(found: np.ndarray, expected: np.ndarray, precision: type = np.float64) -> str:
    """Count the rows that end in another leaf."""
    close = ROUNDINGS * np.finfo(precision).eps * np.abs(expected).max()
    return f"{int((~(np.abs(found - expected) <= close)).sum()):,} of {len(expected):,}"


def against_orbital(matrix: np.ndarray, target: np.ndarray, rows: int = 20_000) -> Row:
    """Compare with orbital's SQL in DuckDB, for a forest of scikit-learn: it takes no LightGBM."""
    forest = GradientBoostingRegressor(random_state=0, max_features=5)
    forest.fit(pd.DataFrame(matrix[:TRAINED], columns=NAMES), target[:TRAINED])
    model = converted(forest, matrix)
    case = f"{rows:,} rows, scikit-learn, 100 trees of depth 3: auto"
    frame = lambda given: pd.DataFrame(given, columns=NAMES)  # noqa: E731 - short
    scored = Scored(model, matrix[:rows], lambda given: forest.predict(frame(given)), finite)
    with TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(given, rows=matrix[:TRAINED], target=target[:TRAINED])
        try:
            with Peer("orbital", Path(folder)) as peer:
                loaded = peer.load(given)
                hard = peer.predict(scored.hard)
                answers = peer.predict(matrix[:rows])
                ours = timed(scored.ours("auto"))
                mine, theirs = interleave([ours, peer.clock], rounds=1)
        except PeerError as error:
            return refused(case, "orbital", str(error), bar=BAR)
    return Row(
        case,
        f"orbital {loaded['version']}",
        mine,
        theirs,
        theirs / mine,
        BAR,
        scored.difference("auto"),
        peer_diff=largest_difference(answers, scored.expected),
        # It keeps thresholds and leaves in float32.
        wrong_rows=f"{wrong(answers, scored.expected, np.float32)}; "
        f"{wrong(hard, scored.expected_hard, np.float32)} hard ones",
    )


def finite(rows: np.ndarray) -> np.ndarray:
    """Replace what scikit-learn refuses: missing values, and what float32 cannot hold."""
    return np.where(np.abs(rows) < np.finfo(np.float32).max, rows, 0.0)


def large(matrix: np.ndarray, target: np.ndarray) -> list[Row]:
    """Compile 1,000 trees in a process of its own, and run them."""
    booster = train(matrix, target, 1_000)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.txt"
        booster.save_model(path)
        command = [sys.executable, __file__, COMPILE, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    seconds, peak = map(float, done.stdout.split())
    compiled = Row(
        "compile 1,000 trees x 31, its peak within 1 GB",
        f"a limit of {MOST_SECONDS:g} s",
        seconds,
        MOST_SECONDS,
        min(MOST_SECONDS / seconds, MOST_MB / peak),
        BAR,
        None,
        peak_mb=peak,
        note="the lesser ratio of both limits",
    )
    scored = lgb_case(converted(booster, matrix), booster, matrix[: ROWS // 10])
    return [compiled, scored.against_library("auto", 1, 1)]


def compile_here(path: str) -> None:
    """Print the seconds that a model file takes to be compiled, and the most memory so far."""
    booster = lgb.Booster(model_file=path)
    model = converted(booster, np.zeros((1_000, COLUMNS)))
    started = time.perf_counter()
    compile_query(model, target_of("duckdb"), "rows")
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s*(\d+)", status)
    print(seconds, int(found[1]) / 1024 if found else float("inf"))


if __name__ == "__main__":
    if COMPILE in sys.argv:
        compile_here(sys.argv[-1])
    else:
        main()
