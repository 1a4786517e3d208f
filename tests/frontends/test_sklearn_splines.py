"""SplineTransformer: de Boor's recursion in scipy's order, and every way beyond the ends."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer
from sklearn.tree import DecisionTreeRegressor

from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

RNG = np.random.default_rng(1972)
ROWS = 200
FRAME = pd.DataFrame(
    {
        "hour": RNG.uniform(0, 24, ROWS),
        "delay": RNG.gamma(1.0, 9.0, ROWS),
        "repeats": RNG.normal(size=ROWS).clip(-0.3, 0.5),
    }
)
GAPS = FRAME.mask(RNG.random(FRAME.shape) < 0.1)
NUMBER = (np.sin(FRAME["hour"]) + FRAME["delay"] / 9).to_numpy()
WAYS = ["constant", "linear", "continue", "periodic"]


def around(frame):
    """Training values, a step beside them, and both sides of the range."""
    near = [frame, *(np.nextafter(frame, way) for way in (-9e9, 9e9)), frame * 3 - 9, frame * -7e9]
    return pd.concat(near, ignore_index=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"degree": 1},
        {"degree": 2, "knots": "quantile", "include_bias": False},
        {"degree": 4, "n_knots": 7},
        {"degree": 3, "n_knots": 4, "sparse_output": True},
        {"degree": 1, "n_knots": 3, "knots": "quantile", "sparse_output": True},
        {"knots": np.array([[0, -5, -1], [7, 1, 0.1], [9, 2, 0.3], [30, 50, 1.0]])},
    ],
    ids=str,
)
def test_every_way(way, options, same_columns):
    transformer = SplineTransformer(**{"n_knots": 5, "extrapolation": way} | options)
    same_columns(transformer.fit(FRAME), around(FRAME))


@pytest.mark.parametrize("way", WAYS)
def test_gaps_are_zeros(way, same_columns):
    transformer = SplineTransformer(extrapolation=way, handle_missing="zeros").fit(GAPS)
    same_columns(transformer, around(GAPS))


def test_a_constant_column(same_columns):
    transformer = SplineTransformer(extrapolation="periodic").fit(FRAME * 0)
    same_columns(transformer, FRAME)


def test_integers(same_columns):
    frame = (FRAME * 9).astype(int)
    transformer = SplineTransformer(extrapolation="linear", degree=1).fit(frame[["hour", "delay"]])
    same_columns(transformer, frame[["hour", "delay"]] * 3 - 40)


def test_products_that_overflow(same_columns):
    transformer = SplineTransformer(extrapolation="continue").fit(FRAME)
    same_columns(transformer, FRAME * 1e150)


@pytest.mark.parametrize("way", [*WAYS, "error"])
def test_before_models(way, agree):
    transformer = SplineTransformer(4, extrapolation=way)
    agree(make_pipeline(transformer, Ridge()).fit(FRAME, NUMBER), FRAME, rows=500)
    tree = DecisionTreeRegressor(max_depth=5, random_state=0)
    agree(make_pipeline(transformer, tree).fit(FRAME, NUMBER), FRAME, rows=500)


def test_labels_behind_a_column_transformer(agree):
    frame = FRAME.assign(carrier=RNG.choice(["UA", "DL"], ROWS), gap=GAPS["delay"])
    splines = SplineTransformer(sparse_output=True, handle_missing="zeros")
    encode = make_column_transformer((splines, ["hour", "gap"]), (OneHotEncoder(), ["carrier"]))
    model = make_pipeline(encode, LogisticRegression()).fit(frame, NUMBER > 1)
    agree(model, frame, rows=500, routes=("kernel", "duckdb"))


@pytest.mark.parametrize("way", ["constant", "linear", "continue"])
def test_behind_a_projection(way, agree):
    steps = PCA(2), SplineTransformer(extrapolation=way), Ridge()
    agree(make_pipeline(*steps).fit(FRAME, NUMBER), FRAME, rows=500)


@pytest.mark.parametrize("value", [-1.0, 24.5])
def test_error_takes_numbers_between_the_ends(value):
    pipeline = make_pipeline(SplineTransformer(extrapolation="error"), Ridge()).fit(FRAME, NUMBER)
    scorer = Scorer(convert(pipeline, Training.of(FRAME, pipeline)))
    asked = FRAME.head(1).assign(hour=value)
    with pytest.raises(ValueError, match="beyond the limits"):
        pipeline.predict(asked)
    with pytest.raises(ScoringError, match=r"'hour' is .* accepts numbers from"):
        scorer.score(Training.of(asked, pipeline).table)


@pytest.mark.parametrize("way", WAYS)
def test_a_column_without_values(way, same_columns):
    frame = FRAME.assign(empty=np.nan)
    transformer = SplineTransformer(handle_missing="zeros", extrapolation=way).fit(frame)
    same_columns(transformer, frame.assign(empty=np.where(FRAME["hour"] > 9, np.nan, 1.5)))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((SplineTransformer(degree=0),), "KBinsDiscretizer"),
        ((SplineTransformer(2, 1, extrapolation="linear"),), "three knots or more"),
        ((SplineTransformer(degree=21),), "at most 20"),
        ((PCA(2), SplineTransformer(extrapolation="periodic")), "a remainder jumps"),
        ((PCA(2), SplineTransformer(extrapolation="error")), "it refuses rows by"),
    ],
)
def test_refused(steps, reason):
    pipeline = make_pipeline(*steps, Ridge()).fit(FRAME, NUMBER)
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(pipeline, Training.of(FRAME, pipeline))
