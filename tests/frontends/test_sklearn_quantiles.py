"""QuantileTransformer: both interpolations, the ends, and the quantiles of the normal."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri as oracle
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer
from sklearn.tree import DecisionTreeRegressor

from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels.normal import ndtri

RNG = np.random.default_rng(1905)
ROWS = 300
FRAME = pd.DataFrame(
    {
        "plain": RNG.normal(size=ROWS),
        "repeats at the ends": RNG.normal(size=ROWS).clip(-0.3, 0.5),
        "repeats inside": RNG.integers(-2, 3, ROWS) + (RNG.random(ROWS) < 0.1) * 0.5,
        "repeats below": RNG.normal(size=ROWS).clip(0.0),
        "constant": np.full(ROWS, 3.25),
    }
)
NUMBER = (FRAME["plain"] + FRAME["repeats inside"]).to_numpy()
DISTRIBUTIONS = ["uniform", "normal"]


def around(frame):
    """Training values and quantiles, a step beside them and 1e-7 away; with gaps."""
    near = [frame, *(np.nextafter(frame, way) for way in (-9e9, 9e9)), frame + 1e-7, frame - 1e-7]
    asked = pd.concat([*near, frame * 1e9, frame * 0.0], ignore_index=True)
    return asked.mask(RNG.random(asked.shape) < 0.02)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e10])
@pytest.mark.parametrize("count", [2, 20, ROWS])
def test_every_place(count, scale, distribution, same_columns):
    transformer = QuantileTransformer(n_quantiles=count, output_distribution=distribution)
    transformer.fit(FRAME * scale)
    same_columns(transformer, around(FRAME * scale))


def test_normal_quantiles_are_scipys():
    middle = RNG.random(20_000)
    tails = 10.0 ** RNG.uniform(-320, 0, 20_000)
    edges = np.array([0, 1, -1, 2, np.nan, 0.5, np.exp(-2), 1 - np.exp(-2), 1e-16, 5e-324])
    asked = np.concatenate([middle, tails, 1 - tails, edges])
    assert np.array_equal(ndtri(asked), oracle(asked), equal_nan=True)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_before_models(distribution, agree):
    frame = FRAME.assign(gaps=FRAME["plain"].mask(RNG.random(ROWS) < 0.1))
    transformer = QuantileTransformer(n_quantiles=15, output_distribution=distribution)
    tree = DecisionTreeRegressor(max_depth=5, random_state=0)
    agree(make_pipeline(transformer, tree).fit(frame, NUMBER), frame, rows=500)
    linear = make_pipeline(transformer, Ridge())
    agree(linear.fit(FRAME, NUMBER), FRAME, rows=500, routes=("kernel", "duckdb"))


def test_labels_behind_a_column_transformer(agree):
    frame = FRAME.assign(carrier=RNG.choice(["UA", "DL"], ROWS))
    encode = make_column_transformer(
        (QuantileTransformer(n_quantiles=9), ["plain"]), (OneHotEncoder(), ["carrier"])
    )
    agree(make_pipeline(encode, LogisticRegression()).fit(frame, NUMBER > 0), frame, rows=500)


def test_behind_a_projection_where_it_does_not_jump(agree):
    steps = PCA(2), QuantileTransformer(n_quantiles=9), Ridge()
    agree(make_pipeline(*steps).fit(FRAME, NUMBER), FRAME, rows=500)


def test_a_column_without_values(quietly):
    frame = FRAME.assign(empty=np.nan)
    tree = DecisionTreeRegressor(max_depth=2)
    pipeline = make_pipeline(QuantileTransformer(n_quantiles=9), tree)
    quietly(lambda: pipeline.fit(frame, NUMBER))
    with pytest.raises(UnsupportedModelError, match="no value in training"):
        convert(pipeline, Training.of(frame, pipeline))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((QuantileTransformer(n_quantiles=1),), "a single quantile"),
        (
            (PCA(2), QuantileTransformer(n_quantiles=9, output_distribution="normal")),
            "becomes missing in",
        ),
    ],
)
def test_refused(steps, reason):
    pipeline = make_pipeline(*steps, Ridge()).fit(FRAME, NUMBER)
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(pipeline, Training.of(FRAME, pipeline))
