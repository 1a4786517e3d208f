"""XGBoost's linear booster and its trees with a vector in each leaf, bit for bit."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql.certify.routes import ROUTES
from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.frontends.graph import Graph
from foresql.frontends.xgboost_json import read_model_json
from foresql.ir.steps import Float32Dot, Forest
from foresql.kernels import Scorer
from foresql.kernels.contributions import explain, with_background

ROWS = 600
LINEAR = {"booster": "gblinear", "n_estimators": 5, "n_jobs": 1, "learning_rate": 0.3}
VECTORS = {
    "multi_strategy": "multi_output_tree",
    "n_estimators": 5,
    "max_depth": 3,
    "n_jobs": 1,
}


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "plain": rng.normal(size=ROWS),
            "gaps": np.where(rng.random(ROWS) < 0.3, np.nan, rng.normal(size=ROWS)),
            "whole": rng.integers(-3, 4, ROWS),
            "flag": rng.random(ROWS) < 0.4,
            "tied": rng.choice([0.0, -0.0, 0.1, 1e-36, -1e-42, 5e-324, 1.0, np.nan], ROWS),
        }
    )
    frame["near one"] = 1 + rng.integers(0, 5, ROWS) * 2.0**-25
    return frame


FRAME = make_frame()
SIGNAL = (FRAME.plain * 2 + FRAME.gaps.fillna(3.0) * FRAME.whole + FRAME.flag).to_numpy()
POSITIVE = np.exp(SIGNAL / 8)
BINARY = (np.median(SIGNAL) < SIGNAL).astype(int)
SHARE = 1 / (1 + np.exp(-SIGNAL))
CLASSES = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6]))
TARGETS = np.stack([SIGNAL, POSITIVE, -SIGNAL], axis=1)


def convert_from(estimator, like=FRAME):
    return convert(estimator, Training.of(like, estimator))


def step_of(model, kind):
    return next(step for step in model.steps if isinstance(step, kind))


# --- the linear booster ---------------------------------------------------------------------------

OBJECTIVES = {
    "binary:hinge": BINARY,
    "binary:logistic": BINARY,
    "binary:logitraw": BINARY,
    "count:poisson": POSITIVE,
    "multi:softmax": CLASSES,
    "multi:softprob": CLASSES,
    "rank:map": BINARY,
    "rank:ndcg": CLASSES,
    "rank:pairwise": CLASSES,
    "reg:absoluteerror": SIGNAL,
    "reg:gamma": POSITIVE,
    "reg:logistic": SHARE,
    "reg:pseudohubererror": SIGNAL,
    "reg:quantileerror": SIGNAL,
    "reg:squarederror": SIGNAL,
    "reg:squaredlogerror": POSITIVE,
    "reg:tweedie": POSITIVE,
    "survival:aft": POSITIVE,
    "survival:cox": POSITIVE,
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objective(objective, agree):
    target = OBJECTIVES[objective]
    options = {"booster": "gblinear", "objective": objective, "eta": 0.1, "nthread": 1}
    if objective.startswith("multi"):
        options["num_class"] = 3
    if objective == "reg:quantileerror":
        options["quantile_alpha"] = 0.3
    data = xgb.DMatrix(FRAME, None if objective == "survival:aft" else target)
    if objective == "survival:aft":
        data.set_info(label_lower_bound=target, label_upper_bound=target * 2)
    if objective.startswith("rank"):
        data.set_group([10] * (ROWS // 10))
    model = agree(xgb.train(options, data, 5), FRAME)
    assert step_of(model, Float32Dot).weights.any()


@pytest.mark.parametrize("updater", ["coord_descent", "shotgun"])
def test_updater(updater, agree):
    options = {"updater": updater, "reg_alpha": 0.01, "reg_lambda": 0.1, "base_score": 0.3}
    agree(xgb.XGBRegressor(**LINEAR, **options).fit(FRAME, SIGNAL), FRAME)


def test_many_features(agree):
    rows = np.random.default_rng(0).normal(size=(ROWS, 80))
    agree(xgb.XGBRegressor(**LINEAR).fit(rows, rows.sum(axis=1)), rows)


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two classes", "three classes"])
def test_classifier(target, agree):
    model = xgb.XGBClassifier(**LINEAR).fit(FRAME, target)
    agree(model, FRAME, routes=tuple(ROUTES))
    agree(model.get_booster(), FRAME)


def test_ranker(agree):
    agree(xgb.XGBRanker(**LINEAR).fit(FRAME, CLASSES, group=[20] * (ROWS // 20)), FRAME)


def test_several_targets(agree):
    agree(xgb.XGBRegressor(**LINEAR).fit(FRAME, TARGETS), FRAME)


def test_early_stopping_keeps_the_last_weights(agree):
    noise = np.random.default_rng(1).normal(size=ROWS) * 9
    options = LINEAR | {"n_estimators": 50, "learning_rate": 1.0}
    model = xgb.XGBRegressor(**options, early_stopping_rounds=2)
    half = ROWS // 2
    held_out = [(FRAME[half:], SIGNAL[half:])]
    model.fit(FRAME[:half], SIGNAL[:half] + noise[:half], eval_set=held_out, verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    agree(model, FRAME)


@pytest.mark.parametrize("missing", [0.0, -999.0, 0.1, np.inf, -np.inf, 1e39])
def test_missing_value(missing, agree):
    frame = FRAME.assign(tied=FRAME.tied.fillna(missing))
    agree(xgb.XGBRegressor(**LINEAR, missing=missing).fit(frame, SIGNAL), frame)


def test_one_row_without_values(agree):
    model = agree(xgb.XGBRegressor(**LINEAR).fit(FRAME, SIGNAL), FRAME)
    nothing = pa.table({name: pa.nulls(1, pa.float64()) for name in FRAME.columns})
    score = Scorer(model).score(nothing.select(model.signature.names)).margins[0, 0]
    assert score == step_of(model, Float32Dot).intercepts[0]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_infinite_values_are_refused(bad):
    scorer = Scorer(convert_from(xgb.XGBRegressor(**LINEAR).fit(FRAME, SIGNAL)))
    row = pa.Table.from_pandas(FRAME[:1].assign(plain=bad), preserve_index=False)
    with pytest.raises(ScoringError, match="plain"):
        scorer.score(row)


def test_integers_that_are_rounded_twice_are_refused():
    """From 64 bits straight to float32 this integer goes up, and by way of float64 down."""
    twice = 2**53 + 2**29 + 1
    assert np.float32(np.float64(twice)) != np.array([twice]).astype(np.float32)[0]
    scorer = Scorer(convert_from(xgb.XGBRegressor(**LINEAR).fit(FRAME, SIGNAL)))
    row = pa.Table.from_pandas(FRAME[:1].assign(whole=twice), preserve_index=False)
    with pytest.raises(ScoringError, match="whole"):
        scorer.score(row)


def test_behind_transformers(agree):
    frame = FRAME.assign(letter=np.array(["a", "b", "c"])[CLASSES])
    columns = ColumnTransformer(
        [
            ("scale", StandardScaler(), ["plain", "whole"]),
            ("spread", OneHotEncoder(sparse_output=False), ["letter"]),
        ]
    )
    agree(make_pipeline(columns, xgb.XGBRegressor(**LINEAR)).fit(frame, SIGNAL), frame)


def test_behind_a_dot_product():
    frame = FRAME[["plain", "whole"]]
    model = make_pipeline(PCA(2), xgb.XGBRegressor(**LINEAR)).fit(frame, SIGNAL)
    with pytest.raises(UnsupportedModelError, match="XGBoost rounds to float32"):
        convert_from(model, frame)


def test_inverse_of_a_target():
    frame = FRAME[["plain", "whole"]]
    model = TransformedTargetRegressor(xgb.XGBRegressor(**LINEAR), func=np.log, inverse_func=np.exp)
    with pytest.raises(UnsupportedModelError, match="predicts in float32"):
        convert_from(model.fit(frame, POSITIVE), frame)


def test_contributions_add_up():
    booster = xgb.XGBClassifier(**LINEAR).fit(FRAME, CLASSES).get_booster()
    training = Training.of(FRAME, booster)
    scorer = Scorer(convert(booster, training))
    frame = scorer.decoder.decode(training.table)
    model = with_background(scorer.model, frame)
    assert set(model.background) == set(FRAME.columns)
    for each in (scorer.model, model):
        ours = explain(Scorer(each), frame)
        total = ours.base[:, None] + ours.contributions.sum(axis=1)
        assert np.allclose(total.T, scorer.score_frame(frame).margins, atol=1e-5)
    theirs = booster.predict(xgb.DMatrix(FRAME), pred_contribs=True)
    assert np.allclose(explain(scorer, frame).contributions.transpose(2, 0, 1), theirs[..., :-1])


def test_diverged():
    booster = xgb.train({"booster": "gblinear", "eta": 5.0}, xgb.DMatrix(FRAME, SIGNAL), 50)
    with pytest.raises(UnsupportedModelError, match="diverged"):
        convert_from(booster)


# --- vectors in leaves ----------------------------------------------------------------------------

OPTIONS = {
    "squared error": {},
    "absolute error": {"objective": "reg:absoluteerror"},
    "pseudo-Huber error": {"objective": "reg:pseudohubererror"},
    "probabilities": {"objective": "binary:logistic"},
    "random forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "one leaf": {"min_child_weight": 1e9},
    "pruned": {"gamma": 30.0},
    "a start": {"base_score": 0.3},
    "by loss": {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
    "0 is missing": {"missing": 0.0},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_vectors(name, agree):
    target = (TARGETS > 0).astype(int) if name == "probabilities" else TARGETS
    model = agree(xgb.XGBRegressor(**VECTORS | OPTIONS[name]).fit(FRAME, target), FRAME)
    trees = step_of(model, Forest).trees
    assert trees.output.tolist() == [0, 1, 2] * (trees.count // 3)


def test_vectors_of_classes(agree):
    agree(xgb.XGBClassifier(**VECTORS).fit(FRAME, CLASSES), FRAME, routes=tuple(ROUTES))


def test_vectors_of_quantiles(agree):
    options = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}
    agree(xgb.XGBRegressor(**VECTORS, **options).fit(FRAME, SIGNAL), FRAME)


def test_vectors_of_some_rounds(agree):
    booster = xgb.XGBRegressor(**VECTORS).fit(FRAME, TARGETS).get_booster()
    assert step_of(agree(booster, FRAME), Forest).trees.count == 15
    assert step_of(agree(booster[1:3], FRAME), Forest).trees.count == 6


@pytest.mark.parametrize("parallel", [1, 2])
def test_vectors_and_early_stopping(parallel, agree):
    options = VECTORS | {"n_estimators": 50, "learning_rate": 0.9, "num_parallel_tree": parallel}
    model = xgb.XGBRegressor(**options, early_stopping_rounds=2)
    half = ROWS // 2
    held_out = [(FRAME[half:], TARGETS[half:])]
    model.fit(FRAME[:half], TARGETS[:half], eval_set=held_out, verbose=False)
    rounds = model.best_iteration + 1
    assert rounds < model.get_booster().num_boosted_rounds()
    assert step_of(agree(model, FRAME), Forest).trees.count == rounds * parallel * 3


def test_contributions_of_vectors_add_up():
    model = convert_from(xgb.XGBRegressor(**VECTORS).fit(FRAME, TARGETS))
    scorer = Scorer(model)
    table = Training.of(FRAME).only(model.signature.names).table
    ours = explain(scorer, scorer.decoder.decode(table))
    total = ours.base[:, None] + ours.contributions.sum(axis=1)
    assert np.allclose(total.T, scorer.score(table).margins, atol=1e-4)


def document_of(estimator) -> dict:
    return json.loads(bytes(estimator.get_booster().save_raw("json")))


def test_vectors_of_an_older_release():
    document = document_of(xgb.XGBRegressor(**VECTORS).fit(FRAME, TARGETS))
    del document["learner"]["gradient_booster"]["model"]["trees"][0]["leaf_weights"]
    with pytest.raises(UnsupportedModelError, match=r"before XGBoost 3\.2"):
        read_model_json(document, Graph(Training.of(FRAME).signature))


def test_unknown_booster():
    document = document_of(xgb.XGBRegressor(**LINEAR).fit(FRAME, SIGNAL))
    document["learner"]["gradient_booster"]["name"] = "gbfoo"
    with pytest.raises(UnsupportedModelError, match="'gbfoo' is not known"):
        read_model_json(document, Graph(Training.of(FRAME).signature))
