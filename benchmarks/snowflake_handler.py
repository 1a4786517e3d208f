"""What is shipped to Snowflake against LightGBM there: the first score, and one batch.

Both run in environments of the packages that the function names. Snowflake's LightGBM comes from
Anaconda, whose package brings scikit-learn, which LightGBM imports where it is there; the row
without it shows what that costs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
from measuring import ROUNDS, Row, report
from measuring.boosters import CATEGORIES, hard_rows
from measuring.environments import BENCHMARKS, python_of

from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle
from foresql.udfs.snowflake.artifact import build_artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER = BENCHMARKS / "peer_worker" / "snowflake_worker.py"
START_BAR, BATCH_BAR = 3.0, 2.0
TRAINING_ROWS, FEATURES, TREES, BATCH, FEW = 16_384, 30, 200, 4_096, 500
START = "import to first score"
PEERS = {
    "snowflake-lightgbm": "pandas + lightgbm, scikit-learn",
    "snowflake-lightgbm-alone": "pandas + lightgbm alone",
}


def main() -> None:
    """Train and ship each model, then time it."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bar_model = ship(Path(folder) / "31", 31)
        rows += starts(bar_model)
        rows += batches(f"{TREES} trees x 31 leaves", bar_model, BATCH, BATCH_BAR)
        rows += batches(f"{TREES} trees x 31 leaves", bar_model, FEW, 0)
        others: Mapping[str, tuple[int, Mapping[int, int]]] = {
            f"{TREES} x 63": (63, {}),
            f"{TREES} x 127": (127, {}),
            f"{TREES} x 31, 5 categorical": (31, CATEGORIES),
        }
        for name, (leaves, categories) in others.items():
            shipped = ship(Path(folder) / name.replace(" ", "_"), leaves, categories)
            rows += batches(name, shipped, BATCH, 0)
    report("snowflake_handler", rows)


def ship(folder: Path, leaves: int, categories: Mapping[int, int] | None = None) -> Path:
    """Write the zip, LightGBM's own file, and rows on and beside the splits."""
    folder.mkdir()
    booster, matrix = _train(leaves, categories or {})
    model = convert(booster, Training.of(matrix, booster))
    artifact = build_artifact(Bundle(model), "benchmark", 1)
    (folder / artifact.file_name).write_bytes(artifact.content)
    (folder / "module.txt").write_text(artifact.module)
    (folder / "columns.txt").write_text(str(matrix.shape[1]))
    booster.save_model(folder / "model.txt")
    np.save(folder / "rows.npy", hard_rows(model, matrix, BATCH))
    return folder


def _train(leaves: int, categories: Mapping[int, int]) -> tuple[lgb.Booster, np.ndarray]:
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(TRAINING_ROWS, FEATURES))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=TRAINING_ROWS) / 3
    for feature, levels in categories.items():
        matrix[:, feature] = rng.integers(levels, size=TRAINING_ROWS)
        target += rng.normal(size=levels)[matrix[:, feature].astype(int)]
    options = {"num_leaves": leaves, "verbose": -1, "seed": 1, "num_threads": 1}
    data = lgb.Dataset(matrix, target, categorical_feature=list(categories))
    return lgb.train(options, data, TREES), matrix


def starts(folder: Path) -> list[Row]:
    """Start fresh interpreters in turn."""
    who = {"snowflake": "ours", **dict.fromkeys(PEERS, "theirs")}
    for name, which in who.items():
        _ask(name, "start", which, str(folder))
    times: dict[str, list[float]] = {name: [] for name in who}
    for _ in range(ROUNDS):
        for name, which in who.items():
            times[name].append(_ask(name, "start", which, str(folder))["seconds"])
    seconds = {name: statistics.median(each) for name, each in times.items()}
    ours = seconds["snowflake"]
    bars = dict(zip(PEERS, (START_BAR, 0.0), strict=True))
    return [
        Row(START, PEERS[name], ours, seconds[name], seconds[name] / ours, bars[name], None)
        for name in PEERS
    ]


def batches(case: str, folder: Path, rows: int, bar: float) -> list[Row]:
    """Time one batch in one process, on one thread."""
    said = _ask("snowflake-lightgbm", "batch", str(folder), str(rows))
    ours, most = said["seconds"]["ours"], said["max_diff"]
    return [
        Row(
            f"{case}, {rows:,} rows",
            f"Booster.predict, {kind}",
            ours,
            theirs,
            theirs / ours,
            bar,
            most,
        )
        for kind, theirs in said["seconds"].items()
        if kind != "ours"
    ]


def _ask(environment: str, *words: str) -> dict[str, Any]:
    command = [str(python_of(environment)), "-I", str(WORKER), *words]
    done = subprocess.run(  # noqa: S603 - a script of ours
        command, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
