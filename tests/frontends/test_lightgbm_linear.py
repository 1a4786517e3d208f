"""LightGBM's linear trees: raw scores are its own bit for bit."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from foresql.certify.routes import ROUTES
from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir.steps import LinearForest
from foresql.kernels import Scorer
from foresql.kernels.contributions import explanation_problem

ROWS = 600
QUIET = {"verbose": -1, "num_threads": 1, "seed": 3, "min_data_in_leaf": 5, "num_leaves": 15}
SMALL = {"n_estimators": 5, "num_leaves": 7, "verbose": -1, "n_jobs": 1, "linear_tree": True}


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 5)), columns=list("abcde"))
    frame.loc[rng.random(ROWS) < 0.2, "b"] = np.nan
    frame.loc[rng.random(ROWS) < 0.6, "c"] = 0.0
    frame["d"] = rng.integers(-3, 4, ROWS)
    frame["e"] = rng.choice([0.0, -0.0, 1e-36, -1e-36, 5e-324, 1.0, np.nan], ROWS)
    return frame


FRAME = make_frame()
X = FRAME.to_numpy(float)
SIGNAL = (FRAME.a * FRAME.d + FRAME.b.fillna(3.0) * FRAME.a + FRAME.c**2).to_numpy()
POSITIVE = np.exp(SIGNAL / 8)
BINARY = (np.median(SIGNAL) < SIGNAL).astype(float)
SHARE = 1 / (1 + np.exp(-SIGNAL))
CLASSES = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6])).astype(float)


def train(params=None, target=SIGNAL, x=X, rounds=5, **options):
    params = QUIET | {"objective": "regression", "linear_tree": True} | (params or {})
    keep = options.pop("keep_training_booster", False)
    init = options.pop("init_model", None)
    data = lgb.Dataset(x, target, params=params, **options)
    return lgb.train(params, data, rounds, init_model=init, keep_training_booster=keep)


def forest_of(model) -> LinearForest:
    return next(step for step in model.steps if isinstance(step, LinearForest))


TARGETS = {
    "regression": SIGNAL,
    "huber": SIGNAL,
    "fair": SIGNAL,
    "quantile": SIGNAL,
    "mape": SIGNAL,
    "poisson": POSITIVE,
    "gamma": POSITIVE,
    "tweedie": POSITIVE,
    "binary": BINARY,
    "cross_entropy": SHARE,
    "cross_entropy_lambda": SHARE,
    "multiclass": CLASSES,
    "multiclassova": CLASSES,
    "lambdarank": CLASSES,
    "rank_xendcg": CLASSES,
}


@pytest.mark.parametrize("objective", TARGETS)
def test_objective(objective, agree):
    params = {"objective": objective}
    if objective.startswith("multiclass"):
        params["num_class"] = 3
    group = {"group": [10] * (ROWS // 10)} if "rank" in objective else {}
    model = agree(train(params, TARGETS[objective], **group), X)
    assert len(forest_of(model).coefficients)


SAMPLED = {"bagging_freq": 1, "bagging_fraction": 0.5, "feature_fraction": 0.7}
BOOSTING = {
    "sampled": SAMPLED,
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "random forest": {"boosting": "rf", **SAMPLED},
    "goss": {"data_sample_strategy": "goss", "learning_rate": 0.5},
    "regularised": {"linear_lambda": 10.0, "lambda_l1": 0.1, "path_smooth": 3.0},
    "no mean first": {"boost_from_average": False},
    "monotone": {"monotone_constraints": [1, 0, -1, 0, 0]},
    "no missing": {"use_missing": False},
    "two leaves": {"num_leaves": 2},
    "more leaves than a lane": {"num_leaves": 300, "min_data_in_leaf": 1, "linear_lambda": 0.1},
    "square root": {"reg_sqrt": True},
}


@pytest.mark.parametrize("name", BOOSTING)
def test_boosting(name, agree):
    agree(train(BOOSTING[name], POSITIVE), X)


def test_trees_of_one_leaf(agree):
    model = agree(train({"min_data_in_leaf": ROWS, "feature_pre_filter": False}), X)
    assert not len(forest_of(model).coefficients)


def test_leaf_with_a_missing_feature_gives_its_plain_value():
    booster = train(rounds=30)
    step = forest_of(convert(booster, Training.of(X, booster)))
    assert step.inputs[1] in {step.inputs[index] for index in step.term_input.tolist()}
    rows = X.copy()
    rows[:, 1] = np.nan
    ours = Scorer(convert(booster, Training.of(X, booster))).score(Training.of(rows).table)
    assert ours.margins[:, 0].tobytes() == booster.predict(rows).tobytes()


def with_huge_coefficients() -> lgb.Booster:
    """Write a model whose leaves give 1e35 times their features, and no constant."""
    lines = [line.split("=") for line in train().model_to_string().splitlines()]
    written = {"leaf_const": "0", "leaf_coeff": "1e35"}
    for line in lines:
        if line[0] in written:
            line[1] = " ".join([written[line[0]]] * len(line[1].split()))
    kept = ("=".join(line) for line in lines if line[0] != "tree_sizes")
    return lgb.Booster(model_str="\n".join(kept))


@pytest.mark.parametrize("arrow", [False, True], ids=["rows", "Arrow"])
def test_tiny_values_are_zero_in_rows_and_themselves_in_arrow(arrow, agree):
    booster = with_huge_coefficients()
    tiny = np.random.default_rng(0).choice([-1e-35, 0, 1e-36, 1.1e-35, -1e-30], X.shape)
    frame = pd.DataFrame(tiny, columns=FRAME.columns)
    frame = pa.Table.from_pandas(frame) if arrow else frame
    step = forest_of(agree(booster, frame))
    assert (step.zero == 0) is arrow
    assert (step.coefficients == 1e35).all()
    scores = booster.predict(np.full((1, X.shape[1]), 1e-36))
    assert scores[0] == 0


@pytest.mark.parametrize("order", [(True, False), (False, True)], ids=str)
def test_linear_trees_and_plain_ones(order, agree):
    booster = None
    for linear in order:
        booster = train({"linear_tree": linear}, rounds=3, init_model=booster)
    assert booster.model_to_string().count("is_linear=1") == 3
    assert forest_of(agree(booster, X)).trees.count == 6


def test_booster_that_can_still_train(agree):
    agree(train(keep_training_booster=True), X)


def test_refitted_booster(agree):
    agree(train(free_raw_data=False).refit(X, SIGNAL + 1), X)


def test_leaf_set_by_hand(agree):
    agree(train().set_leaf_output(2, 0, 1e300), X)


def test_some_rounds_only(agree):
    booster = train(rounds=9)
    some = lgb.Booster(model_str=booster.model_to_string(start_iteration=3, num_iteration=4))
    theirs = booster.predict(X, start_iteration=3, num_iteration=4)
    assert some.predict(X).tobytes() == theirs.tobytes()
    assert forest_of(agree(some, X)).trees.count == 4


def test_estimators(agree):
    agree(lgb.LGBMRegressor(**SMALL).fit(FRAME, SIGNAL), FRAME)
    agree(lgb.LGBMClassifier(**SMALL).fit(FRAME, BINARY > 0), FRAME)
    labels = np.array(["b", "a", "c"])[CLASSES.astype(int)]
    agree(lgb.LGBMClassifier(**SMALL).fit(FRAME, labels), FRAME, routes=tuple(ROUTES))


def test_categories(agree):
    frame = FRAME.assign(k=pd.Categorical(np.array(["x", "y", "z"])[CLASSES.astype(int)]))
    agree(lgb.LGBMRegressor(**SMALL).fit(frame, SIGNAL * frame.k.cat.codes), frame)


def test_behind_a_scaler(agree):
    agree(make_pipeline(StandardScaler(), lgb.LGBMRegressor(**SMALL)).fit(FRAME, SIGNAL), FRAME)


def test_behind_a_dot_product(quietly):
    frame = FRAME[["a", "c", "d"]]
    model = quietly(lambda: make_pipeline(PCA(2), lgb.LGBMRegressor(**SMALL)).fit(frame, SIGNAL))
    with pytest.raises(UnsupportedModelError, match="sum of products"):
        convert(model, Training.of(frame, model))


def test_training_on_infinite_values():
    rows = X.copy()
    rows[::50, 0] = np.inf
    booster = train(x=rows)
    with pytest.raises(UnsupportedModelError, match=r"infinite or not a number\n.*linear_lambda"):
        convert(booster, Training.of(rows, booster))


def test_infinite_values_at_scoring():
    booster = train(rounds=30)
    rows = X[:100].copy()
    rows[::2, 0], rows[::3, 2] = np.inf, -np.inf
    ours = Scorer(convert(booster, Training.of(X, booster))).score(Training.of(rows).table)
    assert np.array_equal(ours.margins[:, 0], booster.predict(rows), equal_nan=True)


def test_no_contributions():
    booster = train()
    problem = explanation_problem(convert(booster, Training.of(X, booster)))
    assert problem is not None
    assert "LinearForest" in problem
