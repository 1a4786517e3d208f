"""The kernels against ``Booster.predict``, on one thread: numpy's, and the native one if built."""

from __future__ import annotations

import os

import lightgbm as lgb
import numpy as np
from measuring import Row, compare, report

from foresql.frontends import Training, convert
from foresql.kernels import Scorer
from foresql.kernels.native import load_library
from foresql.kernels.native.library import SETTING

ROWS = 65_536
LARGE_ROWS = 16_384
CATEGORIES = {25: 8, 26: 25, 27: 60, 28: 120, 29: 240}


def main() -> None:
    """Run all cases with each kernel that is here."""
    library = load_library()
    native = ("baseline", "avx2", "avx512")[: library.best + 1] if library else ()
    rows: list[Row] = []
    for name, make, bar in (
        ("100 trees x 31 leaves, 20 features", small, 35.0),
        ("500 x 127, 30 features, missing values", lambda: large({}), 30.0),
        ("500 x 127, 30 features, 5 categorical", lambda: large(CATEGORIES), 30.0),
    ):
        booster, matrix = make()
        rows.append(case(name, "numpy", 2.0, booster, matrix))
        rows += [case(name, kernel, bar, booster, matrix) for kernel in native[-1:]]
    report("kernel", rows)


def case(name: str, kernel: str, bar: float, booster: lgb.Booster, matrix: np.ndarray) -> Row:
    """Compare raw scores on the same rows; ours reads them from Arrow."""
    os.environ[SETTING] = kernel
    training = Training.of(matrix, booster)
    scorer = Scorer(convert(booster, training))
    ours = scorer.score(training.table).prediction[:, 0]
    theirs = booster.predict(matrix, num_threads=1)
    return compare(
        f"{name}: {kernel}",
        "Booster.predict, 1 thread",
        lambda: scorer.score(training.table),
        lambda: booster.predict(matrix, num_threads=1),
        bar=bar,
        max_diff=float(np.abs(ours - theirs).max()),
        rounds=5,
    )


def small() -> tuple[lgb.Booster, np.ndarray]:
    """Train on normal, skewed and rounded features without missing values."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(ROWS, 20))
    matrix[:, 10:15] = np.exp(matrix[:, 10:15])
    matrix[:, 15:] = rng.uniform(0, 1000, size=(ROWS, 5)).round(1)
    target = np.sin(2 * matrix[:, 0] * matrix[:, 1]) + np.log1p(matrix[:, 10]) * matrix[:, 2]
    target += (matrix[:, 16] > 400) * matrix[:, 3] + rng.normal(size=ROWS) / 3
    options = {"num_leaves": 31, "verbose": -1, "seed": 1}
    return lgb.train(options, lgb.Dataset(matrix, target), 100), matrix


def large(categories: dict[int, int]) -> tuple[lgb.Booster, np.ndarray]:
    """Train on missing values in every other feature, and categories with their own effects."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(LARGE_ROWS, 30))
    matrix[:, 10:15] = np.exp(matrix[:, 10:15])
    target = matrix[:, 0] * matrix[:, 1] + np.log1p(matrix[:, 10]) * matrix[:, 2]
    for feature, levels in categories.items():
        matrix[:, feature] = rng.integers(levels, size=LARGE_ROWS)
        effects = rng.normal(size=levels)
        target += effects[matrix[:, feature].astype(int)] * (1 + matrix[:, feature % 10] / 3)
    for feature in range(0, 25, 2):
        matrix[rng.random(LARGE_ROWS) < 0.08, feature] = np.nan
    target = np.nan_to_num(target) + rng.normal(size=LARGE_ROWS) / 3
    options = {"num_leaves": 127, "verbose": -1, "seed": 1, "learning_rate": 0.05}
    data = lgb.Dataset(matrix, target, categorical_feature=list(categories))
    return lgb.train(options, data, 500), matrix


if __name__ == "__main__":
    main()
