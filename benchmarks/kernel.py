"""The numpy kernel against ``Booster.predict``, on one thread."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
from measuring import Row, compare, report

from foresql.frontends import Training, convert
from foresql.kernels import Scorer

ROWS = 65_536
CATEGORIES = {25: 8, 26: 25, 27: 60, 28: 120, 29: 240}


def main() -> None:
    """Run all cases."""
    report(
        "kernel",
        [
            case("100 trees x 31 leaves, 20 features", *small()),
            case("500 x 127, 30 features, missing values", *large({})),
            case("500 x 127, 30 features, 5 of them categorical", *large(CATEGORIES)),
        ],
    )


def case(name: str, booster: lgb.Booster, matrix: np.ndarray) -> Row:
    """Compare raw scores on the same rows; the model is decoded from Arrow in ours."""
    training = Training.of(matrix, booster)
    scorer = Scorer(convert(booster, training))
    ours = scorer.score(training.table).prediction[:, 0]
    theirs = booster.predict(matrix, num_threads=1)
    return compare(
        name,
        "Booster.predict, 1 thread",
        lambda: scorer.score(training.table),
        lambda: booster.predict(matrix, num_threads=1),
        bar=2.0,
        max_diff=float(np.abs(ours - theirs).max()),
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
    matrix = rng.normal(size=(ROWS, 30))
    matrix[:, 10:15] = np.exp(matrix[:, 10:15])
    target = matrix[:, 0] * matrix[:, 1] + np.log1p(matrix[:, 10]) * matrix[:, 2]
    for feature, levels in categories.items():
        matrix[:, feature] = rng.integers(levels, size=ROWS)
        effects = rng.normal(size=levels)
        target += effects[matrix[:, feature].astype(int)] * (1 + matrix[:, feature % 10] / 3)
    for feature in range(0, 25, 2):
        matrix[rng.random(ROWS) < 0.08, feature] = np.nan
    target = np.nan_to_num(target) + rng.normal(size=ROWS) / 3
    options = {"num_leaves": 127, "verbose": -1, "seed": 1, "learning_rate": 0.05}
    data = lgb.Dataset(matrix, target, categorical_feature=list(categories))
    return lgb.train(options, data, 500), matrix


if __name__ == "__main__":
    main()
