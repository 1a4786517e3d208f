"""Other libraries' models against their own predict, on one thread.

Each gets the input that it likes best, made ready before the clock starts; ours reads Arrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import catboost
import numpy as np
import xgboost
from measuring import Row, compare, fastest, largest_difference, report
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from threadpoolctl import threadpool_limits

from foresql.frontends import Training, convert
from foresql.kernels import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 65_536
DEEP_ROWS = 16_384


def main() -> None:
    """Train and compare a model of each kind."""
    matrix, target = made_up(ROWS)
    with threadpool_limits(1):
        report(
            "libraries",
            [
                hist_gradient_boosting(matrix, target),
                xgboost_booster(matrix, target),
                random_forest(matrix, target, 12, 4.0),
                random_forest(matrix[:DEEP_ROWS], target[:DEEP_ROWS], None, 2.0),
                catboost_model(matrix, target),
            ],
        )


def made_up(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Make 20 normal, skewed and rounded features without missing values."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(rows, 20))
    matrix[:, 10:15] = np.exp(matrix[:, 10:15])
    matrix[:, 15:] = rng.uniform(0, 1000, size=(rows, 5)).round(1)
    target = np.sin(2 * matrix[:, 0] * matrix[:, 1]) + np.log1p(matrix[:, 10]) * matrix[:, 2]
    target += (matrix[:, 16] > 400) * matrix[:, 3] + rng.normal(size=rows) / 3
    return matrix, target


def against(  # noqa: PLR0913, PLR0917 - what makes a case
    case: str,
    peer: str,
    estimator: Any,
    matrix: np.ndarray,
    ways: list[Callable[[], np.ndarray]],
    bar: float,
) -> Row:
    """Compare with the quickest of the peer's ways."""
    training = Training.of(matrix, estimator)
    scorer = Scorer(convert(estimator, training), threads=1)
    theirs = fastest(ways)
    ours = scorer.score(training.table).prediction
    return compare(
        case,
        peer,
        lambda: scorer.score(training.table),
        theirs,
        bar=bar,
        max_diff=max(largest_difference(ours, way()) for way in ways),
        rounds=5,
    )


def hist_gradient_boosting(matrix: np.ndarray, target: np.ndarray) -> Row:
    """100 trees of 31 leaves; float64 rows are taken as they are."""
    model = HistGradientBoostingRegressor(random_state=1).fit(matrix, target)
    return against(
        "HistGradientBoosting, 100 x 31 x 20",
        "HistGradientBoostingRegressor.predict",
        model,
        matrix,
        [lambda: model.predict(matrix)],
        15.0,
    )


def xgboost_booster(matrix: np.ndarray, target: np.ndarray) -> Row:
    """100 trees of depth 6; all types of rows become float32 in there."""
    options = {"max_depth": 6, "seed": 1, "nthread": 1}
    booster = xgboost.train(options, xgboost.DMatrix(matrix, target), 100)
    single = matrix.astype(np.float32)
    return against(
        "XGBoost, 100 x depth 6 x 20",
        "Booster.inplace_predict",
        booster,
        matrix,
        [lambda: booster.inplace_predict(single), lambda: booster.inplace_predict(matrix)],
        8.0,
    )


def random_forest(matrix: np.ndarray, target: np.ndarray, depth: int | None, bar: float) -> Row:
    """100 trees; rows are cast to float32 unless they are."""
    model = RandomForestRegressor(100, max_depth=depth, max_features=0.5, random_state=1, n_jobs=2)
    model.fit(matrix, target)
    model.n_jobs = 1
    single = matrix.astype(np.float32)
    leaves = max(tree.get_n_leaves() for tree in model.estimators_)
    return against(
        f"RandomForest, 100 x depth {depth or 'unlimited'} (up to {leaves:,} leaves) x 20",
        "RandomForestRegressor.predict",
        model,
        matrix,
        [lambda: model.predict(single), lambda: model.predict(matrix)],
        bar,
    )


def catboost_model(matrix: np.ndarray, target: np.ndarray) -> Row:
    """500 symmetric trees of depth 6; a Pool is made before the clock starts."""
    model = catboost.CatBoostRegressor(
        iterations=500, random_seed=1, thread_count=2, verbose=False, allow_writing_files=False
    )
    model.fit(matrix, target)
    single, pool = matrix.astype(np.float32), catboost.Pool(matrix)
    return against(
        "CatBoost, 500 x depth 6 x 20",
        "CatBoostRegressor.predict",
        model,
        matrix,
        [lambda rows=rows: model.predict(rows, thread_count=1) for rows in (pool, single, matrix)],
        1.0,
    )


if __name__ == "__main__":
    main()
