"""PowerTransformer: the same bits as numpy's and scipy's power transforms."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

RNG = np.random.default_rng(1964)
ROWS = 300
FRAME = pd.DataFrame({"delay": RNG.normal(2, 9, ROWS), "taxi": RNG.gamma(2.0, 3.0, ROWS)})
POSITIVE = FRAME.abs() + 0.1
NUMBER = (FRAME["delay"] + FRAME["taxi"] ** 2 / 9).to_numpy()
THREE = np.array(["late", "early", "on time"])[np.digitize(NUMBER, [0, 9])]
POWERS = (0.0, 1e-17, 0.4, 1.0, 2.0, 2 + 1e-16, -1.5, 6.0)


def far(frame):
    """Values in the range of the training, beside it and far away, with gaps."""
    wide = [frame, frame * 1e-9, frame * 0.0, frame * 1e60, np.nextafter(frame, np.inf)]
    frame = pd.concat(wide, ignore_index=True)
    return frame.mask(RNG.random(frame.shape) < 0.05)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
def test_every_branch(method, power, same_columns, quietly):
    transformer = PowerTransformer(method, standardize=False).fit(POSITIVE)
    transformer.lambdas_[:] = power
    asked = far(FRAME) if method == "yeo-johnson" else far(POSITIVE).replace(0.0, 5e-324)
    quietly(lambda: same_columns(transformer, asked))


@pytest.mark.parametrize("power", POWERS)
def test_every_branch_of_the_inverse(power, agree, quietly):
    transformer = PowerTransformer(standardize=False)
    last = DecisionTreeRegressor(max_depth=6, random_state=0)
    model = quietly(
        lambda: TransformedTargetRegressor(last, transformer=transformer).fit(FRAME, NUMBER / 90)
    )
    model.transformer_.lambdas_[:] = power
    quietly(lambda: agree(model, FRAME, rows=300))


def test_powers_that_were_fitted_in_float32(same_columns):
    transformer = PowerTransformer(standardize=False).fit(FRAME.astype(np.float32))
    same_columns(transformer, far(FRAME))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("method", "frame"), [("yeo-johnson", FRAME), ("box-cox", POSITIVE)])
def test_before_models(method, frame, standardize, agree):
    for last, target in ((Ridge(), NUMBER), (DecisionTreeRegressor(max_depth=4), NUMBER)):
        model = make_pipeline(PowerTransformer(method, standardize=standardize), last)
        agree(model.fit(frame, target), frame, rows=500)


def test_labels_behind_a_column_transformer(agree):
    frame = FRAME.assign(carrier=RNG.choice(["UA", "DL", "AA"], ROWS))
    frame["delay"] = frame["delay"].mask(RNG.random(ROWS) < 0.1)
    encode = make_column_transformer(
        (PowerTransformer(), ["delay", "taxi"]), (OneHotEncoder(), ["carrier"])
    )
    model = make_pipeline(encode, DecisionTreeClassifier(max_depth=4)).fit(frame, THREE)
    agree(model, frame, routes=("kernel", "duckdb"))


def test_behind_a_projection_where_it_bends_and_does_not_jump(agree):
    steps = StandardScaler(), PCA(2), PowerTransformer()
    agree(make_pipeline(*steps, LogisticRegression()).fit(FRAME, NUMBER > 0), FRAME, rows=500)


@pytest.mark.parametrize("value", [0.0, -0.0, -5e-324, -1.0])
def test_box_cox_takes_positive_numbers_only(value):
    pipeline = make_pipeline(PowerTransformer("box-cox"), Ridge()).fit(POSITIVE, NUMBER)
    training = Training.of(POSITIVE, pipeline)
    scorer = Scorer(convert(pipeline, training))
    asked = POSITIVE.head(2).assign(taxi=[1.0, value])
    with pytest.raises(ValueError, match="strictly positive"):
        pipeline.predict(asked)
    with pytest.raises(ScoringError, match=r"'taxi' is -?\d.* from 5e-324 to inf only"):
        scorer.score(Training.of(asked, pipeline).table)


def test_results_too_large_to_be_scaled(quietly):
    pipeline = make_pipeline(PowerTransformer(), Ridge()).fit(POSITIVE, NUMBER)
    pipeline[0].lambdas_[:] = 3.0
    scorer = Scorer(convert(pipeline, Training.of(POSITIVE, pipeline)))
    asked = POSITIVE.head(1) * 1e200
    with pytest.raises(ValueError, match="infinity"):
        quietly(lambda: pipeline.predict(asked))
    with pytest.raises(ScoringError, match="infinite"):
        scorer.score(Training.of(asked, pipeline).table)


def test_box_cox_behind_a_projection():
    steps = PCA(2), PowerTransformer("box-cox"), Ridge()
    pipeline = make_pipeline(*steps[:1], StandardScaler(with_mean=False), steps[2])
    pipeline.fit(POSITIVE, NUMBER)
    pipeline.steps[1] = ("powers", PowerTransformer("box-cox").fit(POSITIVE.to_numpy()))
    with pytest.raises(UnsupportedModelError, match="RequireRange: it refuses rows by"):
        convert(pipeline, Training.of(POSITIVE, pipeline))
