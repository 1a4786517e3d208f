"""The LightGBM models that benchmarks share, trained on made-up rows with fixed seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightgbm as lgb
import numpy as np

from foresql.ir.steps import Forest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foresql.ir import Model

ROWS = 65_536
LARGE_ROWS = 16_384
CATEGORIES = {25: 8, 26: 25, 27: 60, 28: 120, 29: 240}
# LightGBM takes for zero what lies within 1e-35 in float32.
_ZERO = float(np.float32(1e-35))
_EDGES = (
    *(0.0, -0.0, _ZERO, -_ZERO, 1.01 * _ZERO, -1.01 * _ZERO, 5e-324, -5e-324),
    *(1e300, -1e300, np.inf, -np.inf, np.nan, np.nan, np.nan, np.nan),
)


def small() -> tuple[lgb.Booster, np.ndarray]:
    """Train 100 trees of 31 leaves on 20 normal, skewed and rounded features."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(ROWS, 20))
    matrix[:, 10:15] = np.exp(matrix[:, 10:15])
    matrix[:, 15:] = rng.uniform(0, 1000, size=(ROWS, 5)).round(1)
    target = np.sin(2 * matrix[:, 0] * matrix[:, 1]) + np.log1p(matrix[:, 10]) * matrix[:, 2]
    target += (matrix[:, 16] > 400) * matrix[:, 3] + rng.normal(size=ROWS) / 3
    options = {"num_leaves": 31, "verbose": -1, "seed": 1}
    return lgb.train(options, lgb.Dataset(matrix, target), 100), matrix


def large(categories: Mapping[int, int] | None = None) -> tuple[lgb.Booster, np.ndarray]:
    """Train 500 trees of 127 leaves on 30 features, some with missing values.

    ``categories`` says how many categories a feature has, each with an effect of its own.
    """
    categories = categories or {}
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


def hard_rows(model: Model, matrix: np.ndarray, rows: int) -> np.ndarray:
    """Make rows on which implementations part: on thresholds and beside them, zeros, infinities.

    A third of the values of each feature that the model splits become such; of a categorical
    one, categories that are unseen, missing, negative or not whole.
    """
    rng = np.random.default_rng(11)
    hard = matrix[rng.integers(len(matrix), size=rows)]
    [trees] = [step.trees for step in model.steps if isinstance(step, Forest)]
    inner = trees.feature >= 0
    for feature in np.unique(trees.feature[inner]):
        nodes = inner & (trees.feature == feature)
        if (trees.category_set[nodes] >= 0).any():
            kinds = (np.array([np.nan, -1.0, 0.5, 1.7, 7.999, 300.0, 1e9]),)
        else:
            at = np.unique(trees.threshold[nodes])
            kinds = at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), np.array(_EDGES)
        # A third of the rows, and an equal part of them for each kind of value.
        parts = rng.integers(3 * len(kinds), size=rows)
        for part, values in enumerate(kinds):
            hard[parts == part, feature] = rng.choice(values, size=int((parts == part).sum()))
    return hard
