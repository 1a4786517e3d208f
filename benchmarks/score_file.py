"""``foresql score`` against the usual loop over record batches with ``Booster.predict``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Row, report

import foresql

GROUP_ROWS = 122_880
BATCH_ROWS = 131_072
ROUNDS = 3
PEER_THREADS = 2
SCHEMA = pa.schema([("id", pa.int64()), ("prediction", pa.float64())])
BAR = 15.0


# What a parent reads of a child's peak includes the parent's own, from before the child's program
# was started; so the child tells it.
COMMAND = """
import atexit, re, sys
from pathlib import Path
def tell():
    print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
atexit.register(tell)
from foresql.cli import main
main()
"""


class Case(NamedTuple):
    """A model, and how many rows it scores."""

    trees: int
    leaves: int
    columns: int
    rows: int

    @property
    def model(self) -> str:
        """The name in the registry."""
        return f"trees_{self.trees}"

    @property
    def names(self) -> list[str]:
        """The model's columns."""
        return [f"x{index}" for index in range(self.columns)]


CASES = (Case(100, 31, 20, 10_000_000), Case(500, 127, 30, 1_000_000))


def main() -> None:
    """Compare both models; ours is a process, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        report("score_file", [against(Path(folder), case) for case in CASES])


def against(folder: Path, case: Case) -> Row:
    """Compare on one model. Both sides read the same file, and write the rows with their ids."""
    booster = train(case)
    source = write(folder / "in.parquet", case, case.rows)
    tenth = write(folder / "tenth.parquet", case, case.rows // 10)
    like = pq.ParquetFile(tenth).read_row_group(0, columns=case.names).slice(0, 5_000)
    foresql.publish(case.model, booster, like=like, registry=folder / "registry", probe_rows=500)
    ours, theirs = folder / "ours.parquet", folder / "theirs.parquet"
    times: tuple[list[float], list[float]] = ([], [])
    memory = score(folder, case.model, tenth, ours)
    peak = 0.0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        peak = max(peak, score(folder, case.model, source, ours))
        times[0].append(time.perf_counter() - started)
        started = time.perf_counter()
        loop(booster, case, source, theirs)
        times[1].append(time.perf_counter() - started)
    mine, other = (statistics.median(seconds) for seconds in times)
    found, expected = (pq.read_table(path, columns=SCHEMA.names) for path in (ours, theirs))
    if not found["id"].equals(expected["id"]):
        message = "The rows are in another order."
        raise ValueError(message)
    difference = np.abs(np.subtract(found["prediction"], expected["prediction"])).max()
    text = (
        f"{case.rows:,} rows, {case.trees} x {case.leaves} leaves, {case.columns} columns; peak "
        f"memory {peak:.0f} MB ({memory:.0f} MB at a tenth of the rows)"
    )
    peer = f"loop over batches, Booster.predict on {PEER_THREADS} threads"
    return Row(text, peer, mine, other, other / mine, BAR, float(difference))


def train(case: Case) -> lgb.Booster:
    """Fit on 100,000 rows."""
    matrix = np.random.default_rng(7).normal(size=(100_000, case.columns))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + matrix[:, 3:].sum(axis=1) / 5
    data = lgb.Dataset(matrix, target, feature_name=case.names)
    return lgb.train({"num_leaves": case.leaves, "verbose": -1, "seed": 1}, data, case.trees)


def write(path: Path, case: Case, rows: int) -> Path:
    """Write ids and random numbers."""
    rng = np.random.default_rng(1)
    schema = pa.schema([("id", pa.int64()), *((name, pa.float64()) for name in case.names)])
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for start in range(0, rows, GROUP_ROWS):
            count = min(GROUP_ROWS, rows - start)
            columns = [rng.normal(size=count) for _ in case.names]
            writer.write_table(pa.table([np.arange(start, start + count), *columns], schema=schema))
    return path


def score(folder: Path, model: str, source: Path, output: Path) -> float:
    """Run the command in a process of its own; give its peak memory in MB."""
    options = ["--columns", "id", "--overwrite", "--registry", folder / "registry"]
    command = [sys.executable, "-c", COMMAND, "score", model, source, output, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        message = f"foresql score failed: {done.stderr}"
        raise RuntimeError(message)
    return int(done.stderr.split()[-1]) / 1024


def loop(booster: lgb.Booster, case: Case, source: Path, output: Path) -> None:
    """Score as one would without us."""
    with pq.ParquetFile(source) as file, pq.ParquetWriter(output, SCHEMA) as writer:
        for batch in file.iter_batches(BATCH_ROWS, columns=["id", *case.names]):
            matrix = np.stack([batch.column(name).to_numpy() for name in case.names], axis=1)
            found = booster.predict(matrix, num_threads=PEER_THREADS)
            writer.write_batch(pa.record_batch([batch.column("id"), pa.array(found)], SCHEMA))


if __name__ == "__main__":
    main()
