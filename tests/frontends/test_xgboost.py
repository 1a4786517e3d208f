"""XGBoost: raw scores and predictions are its own bit for bit, or the model is refused by name."""

import ast
import ctypes
import ctypes.util
import inspect
from textwrap import dedent

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql.certify.routes import ROUTES
from foresql.errors import SignatureError, UnsupportedModelError
from foresql.frontends import Training, convert, xgboost
from foresql.ir.steps import Forest, Precision
from foresql.kernels import Scorer, float32
from foresql.kernels.contributions import explain, explanation_problem

ROWS = 1_000
QUIET = {"max_depth": 4, "nthread": 1, "seed": 3, "learning_rate": 0.3}
SMALL = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1}


def make_frame(rows: int = ROWS) -> pd.DataFrame:
    """Make columns of every habit: plain, missing, integers, booleans, tied, constant, rough."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "plain": rng.normal(size=rows),
            "gaps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
            "whole": rng.integers(-3, 4, rows),
            "flag": rng.random(rows) < 0.4,
            "tied": rng.choice([0.0, -0.0, 0.1, 1e-36, -1e-42, 5e-324, 1.0, np.nan], rows),
            "large": rng.normal(size=rows) * 1e30,
            "constant": 7.0,
        }
    )
    frame["near one"] = 1 + rng.integers(0, 5, rows) * 2.0**-25
    return frame


FRAME = make_frame()
SIGNAL = (
    FRAME.plain * 2
    + FRAME.gaps.fillna(3.0) * FRAME.whole
    + FRAME.flag * 2
    + FRAME.tied.fillna(-1)
    + np.sign(FRAME.large)
    + (FRAME["near one"] > 1) * 3
).to_numpy()
POSITIVE = np.exp(SIGNAL / 8)
BINARY = (np.median(SIGNAL) < SIGNAL).astype(int)
SHARE = 1 / (1 + np.exp(-SIGNAL))
CLASSES = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6]))


def train(params, target=SIGNAL, frame=FRAME, rounds=8, groups=None):
    data = xgb.DMatrix(frame, None if params.get("objective") == "survival:aft" else target)
    if groups is not None:
        data.set_group(groups)
    if params.get("objective") == "survival:aft":
        data.set_info(label_lower_bound=target, label_upper_bound=target * 2)
    return xgb.train(QUIET | params, data, rounds)


def convert_from(estimator, like=FRAME):
    return convert(estimator, Training.of(like, estimator))


# --- objectives and links -------------------------------------------------------------------------

TARGETS = {
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
LATER = {"reg:expectileerror"}
"""Objectives of newer releases than the one in the tests."""


def options_of(objective):
    options = {"objective": objective}
    if objective.startswith("multi"):
        options["num_class"] = 3
    if objective == "reg:quantileerror":
        options["quantile_alpha"] = 0.3
    return options, [10] * (ROWS // 10) if objective.startswith("rank") else None


@pytest.mark.parametrize("objective", TARGETS)
def test_objective(objective, agree):
    options, groups = options_of(objective)
    if objective == "survival:aft":
        options |= {"reg_lambda": 10.0, "aft_loss_distribution": "logistic"}
    agree(train(options, TARGETS[objective], groups=groups), FRAME)


@pytest.mark.parametrize("distribution", ["normal", "logistic", "extreme"])
def test_accelerated_failure_time(distribution, agree):
    params = {"aft_loss_distribution": distribution, "aft_loss_distribution_scale": 2.0}
    params |= {"objective": "survival:aft", "reg_lambda": 10.0}
    agree(train(params, POSITIVE), FRAME)


def test_every_objective_that_is_converted_is_tested():
    tree = ast.parse(dedent(inspect.getsource(xgboost._link)))
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.MatchValue))
    named = {value.value for value in values if isinstance(value, ast.Constant)}
    assert (named | xgboost._IDENTITY) - LATER == set(TARGETS)


@pytest.mark.parametrize("base_score", [0.01, 0.5, 0.123456789])
@pytest.mark.parametrize(
    "objective", ["binary:logistic", "binary:logitraw", "count:poisson", "reg:squarederror"]
)
def test_base_score(objective, base_score, agree):
    agree(train({"objective": objective, "base_score": base_score}, TARGETS[objective]), FRAME)


@pytest.mark.parametrize("rate", [1e-7, 1e-3, 50.0])
@pytest.mark.parametrize(
    "objective", ["binary:logistic", "count:poisson", "reg:gamma", "multi:softprob"]
)
def test_links_far_from_and_close_to_zero(objective, rate, agree):
    options, _ = options_of(objective)
    agree(train(options | {"learning_rate": rate}, TARGETS[objective], rounds=2), FRAME)


def test_exponential_has_the_bits_of_the_c_library():
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.expf.restype, library.expf.argtypes = ctypes.c_float, [ctypes.c_float]
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=50_000) * 10.0**power for power in (-8, -4, 0)]
    special = [0.0, -0.0, 88.72283, 88.72284, -87.4, -103.9, -104.0, 1e30, -1e30, np.inf, -np.inf]
    x = np.concatenate([*drawn, rng.uniform(-104, 89, 50_000), special]).astype(np.float32)
    with np.errstate(over="ignore"):
        ours = float32.exp(x.astype(np.float64))
    assert ours.tolist() == [library.expf(value) for value in x.tolist()]


# --- boosters and rounds --------------------------------------------------------------------------

BOOSTING = {
    "exact": {"tree_method": "exact"},
    "approx": {"tree_method": "approx"},
    "pruned": {"tree_method": "exact", "gamma": 30.0},
    "by loss": {"grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0},
    "random forest": {"num_parallel_tree": 5, "subsample": 0.6, "colsample_bynode": 0.6},
    "monotone": {"monotone_constraints": "(1,0,-1,0,0,0,0,0)"},
    "interactions": {"interaction_constraints": "[[0,1],[2,3,4]]"},
    "stumps": {"max_depth": 1},
    "one leaf": {"min_child_weight": 1e9},
    "deep": {"max_depth": 12, "min_child_weight": 0, "reg_lambda": 0.0},
    "sampled": {"subsample": 0.5, "sampling_method": "uniform"},
    "few bins": {"max_bin": 3},
}


@pytest.mark.parametrize("name", BOOSTING)
def test_boosting(name, agree):
    agree(train(BOOSTING[name]), FRAME)


@pytest.mark.parametrize("wrapper", [True, False], ids=["wrapper", "booster"])
@pytest.mark.parametrize(
    "objective", ["reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson"]
)
@pytest.mark.parametrize("normalize", ["tree", "forest"])
def test_dart(normalize, objective, wrapper, agree):
    dart = {"booster": "dart", "rate_drop": 0.5, "normalize_type": normalize}
    options, _ = options_of(objective)
    booster = train(options | dart, TARGETS[objective], rounds=12)
    if not wrapper:
        agree(booster, FRAME)
        return
    kinds = {"binary:logistic": xgb.XGBClassifier, "multi:softprob": xgb.XGBClassifier}
    kind = kinds.get(objective, xgb.XGBRegressor)
    estimator = kind(**dart, objective=objective, n_estimators=12, max_depth=3, n_jobs=1)
    agree(estimator.fit(FRAME, TARGETS[objective]), FRAME)


def test_a_thousand_trees(agree):
    model = agree(train({"max_depth": 2, "learning_rate": 0.05}, rounds=1_000), FRAME)
    forest = next(step for step in model.steps if isinstance(step, Forest))
    assert forest.trees.count == 1_000
    assert forest.precision is Precision.FLOAT32


def test_continued_training(agree):
    first = train({})
    agree(xgb.train(QUIET, xgb.DMatrix(FRAME, SIGNAL), 4, xgb_model=first), FRAME)


@pytest.mark.parametrize("rounds", [slice(2, 7), slice(10), slice(0, 12, 3)], ids=str)
@pytest.mark.parametrize(
    "params",
    [{}, {"booster": "dart", "rate_drop": 0.5}, {"num_parallel_tree": 2, "subsample": 0.5}],
    ids=["trees", "dart", "forests"],
)
def test_sliced_booster(params, rounds, agree, quietly):
    booster = train(params, rounds=12)
    model = quietly(lambda: agree(booster[rounds], FRAME))
    forest = next(step for step in model.steps if isinstance(step, Forest))
    each = params.get("num_parallel_tree", 1)
    assert forest.trees.count == len(range(*rounds.indices(12))) * each


def test_refreshed_leaves(agree, quietly):
    booster, data = train({}), xgb.DMatrix(FRAME, SIGNAL + 1)
    params = QUIET | {"process_type": "update", "updater": "refresh", "refresh_leaf": True}
    agree(quietly(lambda: xgb.train(params, data, 8, xgb_model=booster)), FRAME)


@pytest.mark.parametrize("kind", ["regressor", "classifier", "three classes", "forest", "dart"])
def test_early_stopping(kind, agree):
    noise = np.random.default_rng(1).normal(size=ROWS) + SIGNAL / 5
    target = {
        "classifier": (noise > 0).astype(int),
        "three classes": np.digitize(noise, [-0.5, 0.5]),
    }.get(kind, noise)
    options = {"forest": {"num_parallel_tree": 3, "subsample": 0.5}, "dart": {"booster": "dart"}}
    estimator = xgb.XGBRegressor if target.dtype == float else xgb.XGBClassifier
    model = estimator(
        n_estimators=60,
        max_depth=6,
        learning_rate=0.9,
        n_jobs=1,
        early_stopping_rounds=2,
        **options.get(kind, {}),
    )
    half = ROWS // 2
    held_out = [(FRAME[half:], target[half:])]
    model.fit(FRAME[:half], target[:half], eval_set=held_out, verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    agree(model, FRAME)
    agree(model.get_booster(), FRAME)


# --- estimators -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, BINARY),
        ({}, CLASSES),
        ({}, np.digitize(SIGNAL, np.quantile(SIGNAL, np.linspace(0, 1, 51)[1:-1]))),
        ({"base_score": 0.2, "scale_pos_weight": 3}, BINARY),
        ({"objective": "binary:hinge"}, BINARY),
        ({"objective": "reg:logistic"}, BINARY),
        ({"num_parallel_tree": 3, "subsample": 0.5}, CLASSES),
        ({"max_delta_step": 1e-6}, BINARY),
    ],
    ids=lambda value: None if isinstance(value, np.ndarray) else str(value),
)
@pytest.mark.parametrize("kind", [xgb.XGBClassifier, xgb.XGBRFClassifier])
def test_classifier(kind, options, target, agree):
    forest = kind is xgb.XGBRFClassifier
    options = {k: v for k, v in options.items() if not (forest and k == "num_parallel_tree")}
    converted = agree(kind(**SMALL, **options).fit(FRAME, target), FRAME)
    assert converted.outputs.classes == tuple(range(len(np.unique(target))))


def test_probabilities_near_one_half(agree):
    target = np.arange(ROWS) % 2
    model = xgb.XGBClassifier(**SMALL | {"n_estimators": 1}, learning_rate=1e-6, base_score=0.5)
    agree(model.fit(FRAME, target), FRAME, rows=10_000)


def test_equal_probabilities_give_the_first_class(agree):
    model = xgb.XGBClassifier(**SMALL, min_child_weight=1e9, base_score=0.5)
    agree(model.fit(FRAME, np.arange(ROWS) % 4), FRAME)


@pytest.mark.parametrize("objective", ["reg:squarederror", "reg:gamma", "count:poisson"])
@pytest.mark.parametrize("kind", [xgb.XGBRegressor, xgb.XGBRFRegressor])
def test_regressor(kind, objective, agree):
    agree(kind(**SMALL, objective=objective).fit(FRAME, POSITIVE), FRAME)


def test_several_targets(agree):
    targets = np.stack([SIGNAL, POSITIVE, -SIGNAL], axis=1)
    agree(xgb.XGBRegressor(**SMALL).fit(FRAME, targets), FRAME)


@pytest.mark.parametrize("objective", ["count:poisson", "reg:logistic"])
def test_several_targets_and_a_link(objective, agree):
    targets = np.stack([SHARE, 1 - SHARE], axis=1)
    agree(xgb.XGBRegressor(**SMALL, objective=objective).fit(FRAME, targets), FRAME)


def test_a_base_score_for_each_sum(agree):
    targets = np.stack([SIGNAL, POSITIVE, -SIGNAL], axis=1)
    options = SMALL | {"base_score": [0.1, 0.2, 0.3]}
    agree(xgb.XGBRegressor(**options).fit(FRAME, targets), FRAME)
    agree(xgb.XGBClassifier(**options).fit(FRAME, CLASSES), FRAME)


def test_several_quantiles(agree):
    quantiles = {"objective": "reg:quantileerror", "quantile_alpha": np.array([0.1, 0.5, 0.9])}
    agree(xgb.XGBRegressor(**SMALL, **quantiles).fit(FRAME, SIGNAL), FRAME)


@pytest.mark.parametrize("objective", ["rank:ndcg", "rank:pairwise"])
def test_ranker(objective, agree):
    ranker = xgb.XGBRanker(**SMALL, objective=objective)
    agree(ranker.fit(FRAME, CLASSES, group=[20] * (ROWS // 20)), FRAME)


def test_all_routes(agree):
    agree(xgb.XGBClassifier(**SMALL).fit(FRAME, BINARY), FRAME, routes=tuple(ROUTES))
    agree(xgb.XGBClassifier(**SMALL).fit(FRAME, CLASSES), FRAME, routes=tuple(ROUTES))
    agree(train({}), FRAME, routes=tuple(ROUTES))


def test_ten_thousand_probes(agree):
    model = xgb.XGBRegressor(n_estimators=100, max_depth=8, n_jobs=1).fit(FRAME, SIGNAL)
    agree(model, FRAME, rows=10_000)


# --- frames ---------------------------------------------------------------------------------------

NUMBERS = FRAME.astype(float)
FRAMES = {
    "numpy": NUMBERS.to_numpy(),
    "numpy float32": NUMBERS.to_numpy(np.float32),
    "pandas float32": FRAME.astype({"plain": np.float32}),
    "pandas nullable": FRAME.astype({"whole": "Int64", "gaps": "Float64"}),
    "polars": pl.DataFrame(NUMBERS.to_dict("series")),
    "arrow": pa.Table.from_pandas(NUMBERS, preserve_index=False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frame(name, agree):
    agree(xgb.XGBRegressor(**SMALL).fit(FRAMES[name], SIGNAL), FRAMES[name])


@pytest.mark.parametrize("name", ["numpy", "arrow"])
def test_frame_of_a_booster(name, agree):
    agree(train({}, frame=FRAMES[name]), FRAMES[name])


def test_columns_are_found_by_name(agree):
    model = xgb.XGBRegressor(**SMALL).fit(FRAME, SIGNAL)
    mixed = FRAME[FRAME.columns[::-1]].assign(extra=1.0)
    training = Training.of(mixed, model)
    assert training.signature.names == tuple(FRAME.columns)
    booster = model.get_booster()
    assert Training.of(mixed, booster).signature.names == tuple(FRAME.columns)
    agree(booster, FRAME)


def test_pipeline(agree):
    numbers = ["plain", "whole"]
    columns = ColumnTransformer([("scale", StandardScaler(), numbers)], remainder="passthrough")
    agree(make_pipeline(columns, xgb.XGBClassifier(**SMALL)).fit(FRAME, CLASSES), FRAME)


def test_one_hot_spread_as_an_array(agree):
    frame = FRAME.assign(letter=np.array(["a", "b", "c"])[CLASSES])[["plain", "letter"]]
    encode = OneHotEncoder(sparse_output=False)
    columns = ColumnTransformer([("spread", encode, ["letter"])], remainder="passthrough")
    agree(make_pipeline(columns, xgb.XGBRegressor(**SMALL)).fit(frame, SIGNAL), frame)


def test_sparse_spread_is_refused():
    """To XGBoost a zero of a sparse matrix is a missing value."""
    frame = pd.DataFrame({"letter": np.array([f"l{i % 40}" for i in range(ROWS)])})
    model = make_pipeline(OneHotEncoder(), xgb.XGBRegressor(**SMALL))
    target = np.arange(ROWS) % 40 % 7
    with pytest.raises(UnsupportedModelError, match="sparse"):
        convert_from(model.fit(frame, target), frame)


# --- missing values -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, -1.0, 0.1, 2.0, -999.0, 1e-42, np.inf, -np.inf, 1e39])
def test_missing_value(missing, agree):
    rng = np.random.default_rng(2)
    frame = FRAME[["plain", "whole", "tied"]].astype({"tied": float})
    stand_in = missing if abs(missing) < 1e38 else 1e39 * np.sign(missing)
    frame["tied"] = frame.tied.fillna(stand_in)
    frame.loc[rng.random(ROWS) < 0.3, "plain"] = stand_in
    for step in (-np.inf, np.inf):
        near = rng.random(ROWS) < 0.1
        frame.loc[near, "plain"] = np.nextafter(stand_in, step)
    agree(xgb.XGBRegressor(**SMALL, missing=missing).fit(frame, SIGNAL), frame)


def test_range_of_a_float32():
    values = np.array([0, 0.1, -0.1, 1, -999, 1e-45, -1e-45, 3e38, np.inf, -np.inf], np.float32)
    for value in values:
        low, high = xgboost._range_of(value)
        outside = [np.nextafter(low, -np.inf), np.nextafter(high, np.inf)]
        with np.errstate(over="ignore"):
            assert np.float32(low) == value == np.float32(high)
            assert all(np.float32(x) != value for x in outside if x not in {low, high})


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_booster_refuses_infinite_values_and_wrappers_do_not(bad):
    model = xgb.XGBRegressor(**SMALL).fit(FRAME, SIGNAL)
    row = pa.Table.from_pandas(FRAME[:1].assign(plain=bad), preserve_index=False)
    scores = Scorer(convert_from(model)).score(row)
    assert scores.prediction[0, 0] == model.predict(FRAME[:1].assign(plain=bad))[0]
    with pytest.raises(Exception, match="Booster"):
        Scorer(convert_from(model.get_booster())).score(row)


# --- categories -----------------------------------------------------------------------------------


def with_categories(kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    levels = {
        "text": ["b", "a", "a b", "", "B"],
        "integers": [30, -7, 2**40, 0, 11],
        "fifty": [f"level {i}" for i in range(50)],
        "two": ["no", "yes"],
    }[kind]
    codes = rng.integers(0, len(levels), ROWS)
    column = pd.Categorical.from_codes(codes, levels)
    frame = FRAME[["plain", "gaps"]].assign(level=column)
    frame.loc[rng.random(ROWS) < 0.2, "level"] = np.nan
    return frame


@pytest.mark.parametrize("onehot", [1, 100], ids=["partition", "one-hot"])
@pytest.mark.parametrize("kind", ["text", "integers", "fifty", "two"])
def test_categories(kind, onehot, agree):
    frame = with_categories(kind)
    target = SIGNAL + np.random.default_rng(1).normal(size=60)[frame.level.cat.codes] * 5
    options = {"enable_categorical": True, "max_cat_to_onehot": onehot, "tree_method": "hist"}
    model = xgb.XGBRegressor(**SMALL, **options).fit(frame, target)
    agree(model, frame)
    agree(model.get_booster(), frame)


@pytest.mark.parametrize("onehot", [1, 100], ids=["partition", "one-hot"])
def test_categories_in_another_order(onehot, agree):
    frame = with_categories("text")
    target = SIGNAL + np.random.default_rng(1).normal(size=60)[frame.level.cat.codes] * 5
    options = {"enable_categorical": True, "max_cat_to_onehot": onehot, "tree_method": "hist"}
    model = xgb.XGBRegressor(**SMALL, **options).fit(frame, target)
    turned = frame.level.cat.reorder_categories(frame.level.cat.categories[::-1])
    agree(model, frame.assign(level=turned))


@pytest.mark.parametrize("values", ["integers", "booleans"])
def test_categories_given_as_codes(values, agree):
    frame = FRAME[["plain", "whole", "flag"]].assign(whole=FRAME.whole + 3)
    types = ["float", "c", "i"] if values == "integers" else ["float", "int", "c"]
    signal = SIGNAL + np.array([0, 9, 2, 8, 1, 7, 3])[frame.whole]
    data = xgb.DMatrix(frame, signal, feature_types=types)
    agree(xgb.train(QUIET | {"max_cat_to_onehot": 1}, data, 6), frame)


def test_unknown_category_is_refused():
    frame = with_categories("text")
    model = xgb.XGBRegressor(**SMALL, enable_categorical=True).fit(frame, SIGNAL)
    row = pa.table({"plain": [0.0], "gaps": [0.0], "level": ["new"]})
    with pytest.raises(Exception, match="XGBoost"):
        Scorer(convert_from(model, frame)).score(row)


# --- contributions --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [SIGNAL, CLASSES], ids=["one output", "three outputs"])
def test_contributions_are_those_of_xgboost(target):
    options = {"objective": "multi:softprob", "num_class": 3} if target is CLASSES else {}
    booster = train(options, target)
    model = convert_from(booster)
    assert explanation_problem(model) is None
    table = Training.of(FRAME, booster).only(model.signature.names).table
    scorer = Scorer(model)
    ours = explain(scorer, scorer.decoder.decode(table))
    theirs = booster.predict(xgb.DMatrix(FRAME), pred_contribs=True)
    theirs = theirs.reshape(ROWS, -1, len(FRAME.columns) + 1)
    places = [list(FRAME.columns).index(name) for name in model.signature.names]
    assert np.allclose(ours.contributions.transpose(2, 0, 1), theirs[:, :, places], atol=1e-4)
    assert np.allclose(ours.base, theirs[0, :, -1], atol=1e-4)


# --- refusals -------------------------------------------------------------------------------------


def fitted_with_codes():
    frame = FRAME[["plain", "whole"]].astype({"whole": float})
    frame["whole"] += 3
    data = xgb.DMatrix(frame, SIGNAL, feature_types=["float", "c"])
    return xgb.train(QUIET, data, 3), frame


def with_letters():
    frame = with_categories("two")
    return frame.assign(level=frame.level.cat.rename_categories(["é", "☃"]))


def fitted_on_large_integers():
    frame = pd.DataFrame({"key": np.arange(ROWS) * 2**50})
    return xgb.XGBRegressor(**SMALL).fit(frame, np.arange(ROWS) % 100 > 50), frame


def own_objective(labels, predictions):
    return predictions - labels, np.ones_like(labels)


def fit(kind, target, frame=FRAME, **options):
    return kind(**SMALL, **options).fit(frame, target), frame


TWO_LABELS = np.stack([BINARY, 1 - BINARY], axis=1)
REFUSED = {
    "own objective": lambda: (
        fit(xgb.XGBRegressor, SIGNAL, objective=own_objective),
        "a function of your own",
    ),
    "softmax": lambda: (
        fit(xgb.XGBClassifier, CLASSES, objective="multi:softmax"),
        "multi:softmax",
    ),
    "raw logits": lambda: (
        fit(xgb.XGBClassifier, BINARY, objective="binary:logitraw"),
        "binary:logitraw",
    ),
    "several labels": lambda: (fit(xgb.XGBClassifier, TWO_LABELS), "several labels"),
    "one class": lambda: (fit(xgb.XGBClassifier, np.zeros(ROWS)), "single class"),
    "two scores": lambda: (
        fit(xgb.XGBClassifier, BINARY, objective="multi:softprob", num_class=2),
        "two columns",
    ),
    "not fitted": lambda: ((xgb.XGBRegressor(), FRAME), "not fitted"),
    "codes in floats": lambda: (fitted_with_codes(), "floating-point numbers"),
    "large integers": lambda: (fitted_on_large_integers(), "beyond 2"),
    "missing among codes": lambda: (
        fit(
            xgb.XGBRegressor,
            SIGNAL,
            with_categories("text"),
            missing=0.0,
            enable_categorical=True,
        ),
        "missing=0.0",
    ),
    "letters": lambda: (
        fit(xgb.XGBRegressor, SIGNAL, with_letters(), enable_categorical=True),
        "ASCII",
    ),
    "diverged": lambda: (
        (train({"objective": "count:poisson", "learning_rate": 1e3}, POSITIVE), FRAME),
        "diverged",
    ),
    "slice of DART": lambda: (
        (train({"booster": "dart"})[2:], FRAME),
        r"0 weights for 6 trees.*\n.*an end",
    ),
    "no trees": lambda: ((train({}, rounds=0), FRAME), "no trees"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, quietly):
    (estimator, frame), reason = quietly(REFUSED[name])
    with pytest.raises(UnsupportedModelError, match=reason) as refusal:
        convert_from(estimator, frame)
    assert type(estimator).__name__ in str(refusal.value)


def test_other_columns_than_in_training():
    model = xgb.XGBRegressor(**SMALL).fit(FRAME, SIGNAL)
    with pytest.raises(SignatureError, match="plain"):
        Training.of(FRAME.drop(columns="plain"), model)
    unnamed = xgb.XGBRegressor(**SMALL).fit(NUMBERS.to_numpy(), SIGNAL)
    with pytest.raises(SignatureError, match="8"):
        convert(unnamed.get_booster(), Training.of(FRAME.drop(columns="plain")))


def test_categories_that_are_none_in_the_frame():
    frame = with_categories("text")
    model = xgb.XGBRegressor(**SMALL, enable_categorical=True).fit(frame, SIGNAL)
    with pytest.raises(SignatureError, match="level"):
        convert_from(model, frame.astype({"level": object}))


def test_categories_of_polars_are_refused():
    frame = pl.DataFrame({"k": pl.Series(["p", "q"] * 50).cast(pl.Categorical), "x": range(100)})
    model = xgb.XGBRegressor(n_estimators=2, enable_categorical=True).fit(frame, np.arange(100.0))
    with pytest.raises(UnsupportedModelError, match="categories of polars or Arrow"):
        convert(model, Training.of(frame, model))
