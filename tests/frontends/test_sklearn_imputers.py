"""IterativeImputer: every fitted regression in its turn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - scikit-learn's switch
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert

RNG = np.random.default_rng(1987)
ROWS = 250
LATENT = RNG.normal(size=ROWS)
FULL = pd.DataFrame({name: LATENT * k + RNG.normal(size=ROWS) for k, name in enumerate("abcd")})
FRAME = FULL.mask(RNG.random(FULL.shape) < 0.15).assign(whole=FULL["b"] - FULL["a"])
PLACEHOLDER = FRAME.fillna(-999.0)
NUMBER = LATENT + RNG.normal(0, 0.2, ROWS)
SEED = {"random_state": 0}

IMPUTERS = [
    (IterativeImputer(max_iter=3), FRAME),
    (IterativeImputer(max_iter=2, add_indicator=True, initial_strategy="median"), FRAME),
    (IterativeImputer(LinearRegression(), max_iter=2, skip_complete=True), FRAME),
    (IterativeImputer(max_iter=2, min_value=-1, max_value=[1, 2, 3, 4, 5]), FRAME),
    (IterativeImputer(max_iter=2, imputation_order="random", **SEED), FRAME),
    (IterativeImputer(max_iter=2, n_nearest_features=2, **SEED), FRAME),
    (IterativeImputer(max_iter=2, missing_values=-999.0), PLACEHOLDER),
    (IterativeImputer(max_iter=0, add_indicator=True), FRAME),
    (IterativeImputer(max_iter=2), FRAME.assign(empty=np.nan)),
    (IterativeImputer(max_iter=2, skip_complete=False), FULL),
    (IterativeImputer(), FRAME[["a"]]),
    (make_pipeline(StandardScaler(), IterativeImputer(max_iter=2), PowerTransformer()), FRAME),
]


@pytest.mark.parametrize(("imputer", "frame"), IMPUTERS, ids=range(len(IMPUTERS)))
def test_before_a_regressor(imputer, frame, agree, quietly):
    pipeline = make_pipeline(imputer, Ridge())
    quietly(lambda: pipeline.fit(frame, NUMBER))
    quietly(lambda: agree(pipeline, frame, rows=500))


TREES = [DecisionTreeRegressor(max_depth=4, **SEED), ExtraTreesRegressor(3, max_depth=4, **SEED)]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_trees_in_turns_bit_for_bit(tree, agree, same_columns, quietly):
    imputer = IterativeImputer(tree, max_iter=2)
    last = DecisionTreeRegressor(max_depth=4, **SEED)
    pipeline = quietly(lambda: make_pipeline(imputer, last).fit(FRAME, NUMBER))
    agree(pipeline, FRAME, rows=500)
    same_columns(pipeline[0], FRAME)


def test_labels_behind_a_column_transformer(agree, quietly):
    frame = FRAME.assign(carrier=RNG.choice(["UA", "DL"], ROWS))
    encode = make_column_transformer(
        (IterativeImputer(max_iter=2), list(FRAME)), (OneHotEncoder(), ["carrier"])
    )
    pipeline = make_pipeline(encode, LogisticRegression())
    quietly(lambda: pipeline.fit(frame, NUMBER > 0))
    agree(pipeline, frame, rows=500, routes=("kernel", "duckdb"))


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (make_pipeline(IterativeImputer(sample_posterior=True), Ridge()), "at random"),
        (make_pipeline(IterativeImputer(keep_empty_features=True), Ridge()), "writes into"),
        (make_pipeline(IterativeImputer(max_iter=2), TREES[0]), "trees split on a column"),
        (make_pipeline(IterativeImputer(Ridge(), max_iter=2), TREES[0]), "trees split on a column"),
    ],
    ids=repr,
)
def test_refused(pipeline, reason, quietly):
    frame = FRAME.assign(empty=np.nan)
    quietly(lambda: pipeline.fit(frame, NUMBER))
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(pipeline, Training.of(frame, pipeline))
