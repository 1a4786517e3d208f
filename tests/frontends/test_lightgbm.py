import ast
import inspect
import json
from decimal import Decimal
from textwrap import dedent

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from foresql.certify.routes import ROUTES
from foresql.frontends import Training, convert, lightgbm
from foresql.ir import Trees
from foresql.ir.steps import Forest
from foresql.kernels import Scorer
from foresql.kernels.leaves import leaf_ranges

ROWS = 1_000
WIDE_GATE = 10_000
QUIET = {"verbose": -1, "num_threads": 1, "seed": 3, "min_data_in_leaf": 5, "num_leaves": 15}


def make_rows(rows: int = ROWS) -> np.ndarray:
    """Make columns of every habit: plain, missing, mostly zero, tied, denormal, constant."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(rows, 6))
    x[rng.random(rows) < 0.2, 1] = np.nan
    x[rng.random(rows) < 0.6, 2] = 0.0
    x[:, 3] = rng.integers(-3, 4, rows)
    x[:, 4] = rng.choice([0.0, -0.0, 1e-36, -1e-36, 5e-324, 1.0, -1.0, np.nan], rows)
    x[:, 5] = 7.0
    return x


X = make_rows()
SIGNAL = X[:, 0] * 2 + np.nan_to_num(X[:, 1], nan=3.0) * X[:, 3] + (X[:, 2] == 0)
SIGNAL += np.where(np.isnan(X[:, 4]), 1.0, X[:, 4])
POSITIVE = np.exp(SIGNAL / 8)
BINARY = (np.median(SIGNAL) < SIGNAL).astype(float)
SHARE = 1 / (1 + np.exp(-SIGNAL))
CLASSES = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6])).astype(float)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d", "e", "f"])


def train(params, target=SIGNAL, x=X, rounds=8, **dataset):
    data = lgb.Dataset(x, target, params={"verbose": -1}, **dataset)
    return lgb.train(QUIET | params, data, rounds)


def trees_of(model) -> Trees:
    return next(step for step in model.steps if isinstance(step, Forest)).trees


# --- objectives and links -------------------------------------------------------------------------

TARGETS = {
    "regression": SIGNAL,
    "regression_l1": SIGNAL,
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
RANKED = {"lambdarank", "rank_xendcg"}


def options_of(objective):
    options = {"objective": objective}
    if objective.startswith("multiclass"):
        options["num_class"] = 3
    return options, {"group": [10] * (ROWS // 10)} if objective in RANKED else {}


@pytest.mark.parametrize("objective", TARGETS)
def test_objective(objective, agree):
    options, dataset = options_of(objective)
    agree(train(options, TARGETS[objective], **dataset), X)


def test_every_objective_that_is_converted_is_tested():
    tree = ast.parse(dedent(inspect.getsource(lightgbm._link)))
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.MatchValue))
    named = {value.value for value in values if isinstance(value, ast.Constant)}
    assert named | lightgbm._IDENTITY == set(TARGETS)


@pytest.mark.parametrize(
    "objective",
    [
        "regression",
        "regression_l1",
        "huber",
        "fair",
        "quantile",
        "mape",
        "poisson",
        "gamma",
        "tweedie",
    ],
)
def test_square_root_of_the_target(objective, agree):
    agree(train({"objective": objective, "reg_sqrt": True}, POSITIVE), X)


@pytest.mark.parametrize("sigmoid", [0.1, 1.0, 3.0, 0.123456789])
@pytest.mark.parametrize("objective", ["binary", "multiclassova"])
def test_sigmoid(objective, sigmoid, agree):
    options, _ = options_of(objective)
    agree(train(options | {"sigmoid": sigmoid}, TARGETS[objective]), X)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "quantile", "alpha": 0.05},
        {"objective": "huber", "alpha": 0.3},
        {"objective": "tweedie", "tweedie_variance_power": 1.9},
        {"objective": "poisson", "poisson_max_delta_step": 0.1},
        {"objective": "binary", "is_unbalance": True},
        {"objective": "binary", "scale_pos_weight": 17.0},
        {"objective": "binary", "boost_from_average": False},
    ],
    ids=lambda params: " ".join(f"{value}" for value in params.values()),
)
def test_option_of_an_objective(params, agree):
    agree(train(params, TARGETS[params["objective"]]), X)


# --- boosting -------------------------------------------------------------------------------------

SAMPLED = {"bagging_freq": 1, "bagging_fraction": 0.5, "feature_fraction": 0.7}
BOOSTING = {
    "gbdt": {},
    "sampled": SAMPLED,
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "random forest": {"boosting": "rf", **SAMPLED},
    "goss": {"data_sample_strategy": "goss", "learning_rate": 0.5},
    "monotone": {"monotone_constraints": [1, 0, -1, 0, 0, 0]},
    "monotone, advanced": {
        "monotone_constraints": [1, 0, -1, 0, 0, 0],
        "monotone_constraints_method": "advanced",
    },
    "interactions": {"interaction_constraints": "[0,1],[2,3,4]"},
    "extra trees": {"extra_trees": True},
    "few bins": {"max_bin": 3},
    "few bins of some": {"max_bin_by_feature": [3, 10, 255, 4, 7, 2]},
    "quantized": {"use_quantized_grad": True},
    "smoothed": {"path_smooth": 3.0, "lambda_l1": 0.1, "max_delta_step": 0.5},
    "refined leaves": {"learning_rate": 1e-3, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0},
}


ROUNDS = {
    "mean first": {},
    "dart": BOOSTING["dart"],
    "random forest": BOOSTING["random forest"],
    "random forest of two classes": {"objective": "binary", **BOOSTING["random forest"]},
    "three classes": {"objective": "multiclass", "num_class": 3},
}


@pytest.mark.parametrize("objective", ["regression", "binary", "multiclass", "poisson"])
@pytest.mark.parametrize("boosting", ["dart", "random forest", "goss"])
def test_boosting_with_links(boosting, objective, agree):
    options, _ = options_of(objective)
    agree(train(options | BOOSTING[boosting], TARGETS[objective]), X)


@pytest.mark.parametrize("name", BOOSTING)
def test_boosting(name, agree):
    agree(train({"objective": "regression", **BOOSTING[name]}), X)


def test_forced_splits(agree, tmp_path):
    below = {"feature": 3, "threshold": 1.0}
    forced = {"feature": 0, "threshold": 0.3, "left": below, "right": below}
    path = tmp_path / "forced.json"
    path.write_text(json.dumps(forced))
    params = {"objective": "regression", "forcedsplits_filename": str(path)}
    trees = trees_of(agree(train(params), X))
    assert (trees.feature[trees.root] == 0).all()


MISSING = {
    "missing is NaN": {},
    "missing is zero": {"zero_as_missing": True},
    "no missing": {"use_missing": False},
    "neither": {"use_missing": False, "zero_as_missing": True},
    "no bundling": {"enable_bundle": False, "zero_as_missing": True},
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("gaps", [True, False], ids=["gaps", "no gaps"])
def test_missing_values(name, gaps, agree):
    x = X if gaps else np.nan_to_num(X, nan=0.5)
    agree(train({"objective": "regression", "num_leaves": 31, **MISSING[name]}, x=x), x)


def test_splits_inside_the_zero_band(agree):
    tiny = np.random.default_rng(0).choice([-1e-30, -1e-35, -1e-40, 0, 1e-40, 1e-35, 1e-30], ROWS)
    x = np.stack([tiny, X[:, 0]], axis=1)
    params = {"objective": "regression", "min_data_in_bin": 1, "zero_as_missing": False}
    agree(train(params, np.sign(tiny) + SIGNAL / 100, x), x)


# --- sizes ----------------------------------------------------------------------------------------

LEAVES = (2, 3, 8, 9, 16, 17, 31, 32, 33, 64, 65, 127, 128, 129, 255, 256, 257, 400)


@pytest.mark.parametrize("leaves", LEAVES)
def test_trees_of_every_lane_width(leaves, agree):
    params = {"objective": "regression", "num_leaves": leaves, "min_data_in_leaf": 1}
    rng = np.random.default_rng(leaves)
    model = agree(train(params, rng.normal(size=ROWS), rounds=5), X)
    assert leaf_ranges(trees_of(model)).most_leaves == leaves


def test_trees_of_several_sizes_share_lanes(agree):
    booster = None
    for leaves in (2, 9, 31, 4):
        data = lgb.Dataset(X, SIGNAL, params={"verbose": -1}, free_raw_data=False)
        params = QUIET | {"objective": "regression", "num_leaves": leaves}
        booster = lgb.train(params, data, 3, init_model=booster)
    assert trees_of(agree(booster, X)).count == 12


@pytest.mark.parametrize("depth", [1, 30])
def test_depth(depth, agree):
    params = {"objective": "regression", "max_depth": depth, "num_leaves": 200}
    agree(train({**params, "min_data_in_leaf": 1}, rounds=3), X)


def test_one_tree(agree):
    assert trees_of(agree(train({"objective": "binary"}, BINARY, rounds=1), X)).count == 1


def test_a_thousand_trees(agree):
    params = {"objective": "regression", "num_leaves": 4, "learning_rate": 0.05}
    assert trees_of(agree(train(params, rounds=1_000), X)).count == 1_000


@pytest.mark.parametrize("objective", ["regression", "binary", "multiclass", "poisson"])
def test_trees_of_one_leaf(objective, agree):
    options, _ = options_of(objective)
    params = options | {"min_data_in_leaf": ROWS, "feature_pre_filter": False}
    model = agree(train(params, TARGETS[objective], rounds=3), X)
    assert leaf_ranges(trees_of(model)).most_leaves == 1


def test_constant_target(agree):
    agree(train({"objective": "regression"}, np.full(ROWS, 0.1)), X)


def test_one_leaf_trees_after_others(agree):
    params = {"objective": "regression", "learning_rate": 1.0, "min_gain_to_split": 1.0}
    model = agree(train(params, np.sign(X[:, 0]), rounds=6), X)
    assert trees_of(model).count >= 1


# --- estimators -----------------------------------------------------------------------------------

SMALL = {"n_estimators": 6, "num_leaves": 7, "verbose": -1, "n_jobs": 1}
LABELS = {
    "floats": BINARY,
    "booleans": BINARY > 0,
    "integers": BINARY.astype(int) * 3 - 5,
    "text": np.array(["on time", "late"])[BINARY.astype(int)],
    "three texts": np.array(["é", "b", "A"])[CLASSES.astype(int)],
    "three integers": (CLASSES * 10 - 7).astype(int),
    "objects": np.array(["x", "y"], object)[BINARY.astype(int)],
    "fifty": np.digitize(SIGNAL, np.quantile(SIGNAL, np.linspace(0, 1, 51)[1:-1])),
}


@pytest.mark.parametrize("kind", LABELS)
def test_classifier(kind, agree):
    model = lgb.LGBMClassifier(**SMALL, min_child_samples=2).fit(FRAME, LABELS[kind])
    converted = agree(model, FRAME)
    assert converted.outputs.classes == tuple(np.unique(LABELS[kind]).tolist())


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"class_weight": "balanced"}, "three texts"),
        ({"is_unbalance": True}, "text"),
        ({"objective": "multiclassova"}, "three texts"),
        ({"objective": "multiclass", "num_class": 2}, "booleans"),
        ({"objective": "cross_entropy"}, "booleans"),
        ({"objective": "regression"}, "booleans"),
        ({"boosting_type": "dart"}, "three texts"),
        ({"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}, "text"),
        ({"sigmoid": 0.7}, "text"),
    ],
    ids=str,
)
def test_classifier_option(options, labels, agree):
    agree(lgb.LGBMClassifier(**SMALL, **options).fit(FRAME, LABELS[labels]), FRAME)


def test_equal_probabilities_give_the_first_class(agree):
    model = lgb.LGBMClassifier(**SMALL, min_child_samples=ROWS).fit(FRAME, np.arange(ROWS) % 4)
    agree(model, FRAME)


@pytest.mark.parametrize("objective", ["regression", "mae", "tweedie", "quantile", "rmse"])
def test_regressor(objective, agree):
    agree(lgb.LGBMRegressor(**SMALL, objective=objective).fit(FRAME, POSITIVE), FRAME)


@pytest.mark.parametrize("objective", sorted(RANKED))
def test_ranker(objective, agree):
    ranker = lgb.LGBMRanker(**SMALL, objective=objective)
    agree(ranker.fit(FRAME, CLASSES.astype(int), group=[20] * (ROWS // 20)), FRAME)


@pytest.mark.parametrize("kind", ["regressor", "classifier", "three classes", "forest"])
def test_early_stopping(kind, agree, quietly):
    noise = np.random.default_rng(1).normal(size=ROWS)
    target = {
        "regressor": noise + SIGNAL / 5,
        "classifier": noise + SIGNAL / 5 > 0,
        "three classes": np.digitize(noise + SIGNAL / 5, [-0.5, 0.5]),
        "forest": noise + SIGNAL / 5,
    }[kind]
    estimator = lgb.LGBMRegressor if target.dtype == float else lgb.LGBMClassifier
    options = SMALL | {"n_estimators": 60, "learning_rate": 0.4}
    if kind == "forest":
        options |= {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}
    stop = lgb.early_stopping(2, verbose=False)
    seen, unseen = slice(None, 600), slice(600, None)
    model = quietly(
        lambda: estimator(**options).fit(
            FRAME[seen],
            target[seen],
            eval_set=[(FRAME[unseen], target[unseen])],
            callbacks=[stop],
        )
    )
    assert 0 < model.best_iteration_ < options["n_estimators"]
    converted = agree(model, FRAME)
    width = len(converted.outputs.margins)
    assert trees_of(converted).count == model.best_iteration_ * width


def test_early_stopping_of_a_booster_that_keeps_its_last_rounds(agree):
    noisy = SIGNAL + np.random.default_rng(1).normal(size=ROWS) * 9
    seen, unseen = slice(None, 600), slice(600, None)
    data = lgb.Dataset(X[seen], noisy[seen], params={"verbose": -1})
    booster = lgb.train(
        QUIET | {"objective": "regression", "learning_rate": 0.4},
        data,
        60,
        valid_sets=[data.create_valid(X[unseen], noisy[unseen])],
        callbacks=[lgb.early_stopping(4, verbose=False)],
        keep_training_booster=True,
    )
    assert 0 < booster.best_iteration < booster.current_iteration()
    assert trees_of(agree(booster, X)).count == booster.best_iteration


def test_best_iteration_set_by_hand(agree):
    booster = train({"objective": "multiclass", "num_class": 3}, CLASSES, rounds=9)
    booster.best_iteration = 4
    assert trees_of(agree(booster, X)).count == 12


@pytest.mark.parametrize("options", ROUNDS.values(), ids=ROUNDS)
def test_some_rounds_only(options, agree):
    target = TARGETS[options.get("objective", "regression")]
    booster = train({"objective": "regression", **options}, target, rounds=9)
    rounds = {"start_iteration": 2, "num_iteration": 4}
    some = lgb.Booster(model_str=booster.model_to_string(**rounds))
    assert some.predict(X).tobytes() == booster.predict(X, **rounds).tobytes()
    assert trees_of(agree(some, X)).count == 4 * some.num_model_per_iteration()


def test_booster_that_can_still_train(agree):
    data = lgb.Dataset(X, BINARY, params={"verbose": -1})
    params = QUIET | {"objective": "binary", "sigmoid": 0.7}
    agree(lgb.train(params, data, 5, keep_training_booster=True), X)


def test_booster_from_a_file(agree, tmp_path):
    train({"objective": "binary"}, BINARY, FRAME).save_model(tmp_path / "model.txt")
    agree(lgb.Booster(model_file=tmp_path / "model.txt"), FRAME)


def test_refitted_and_shuffled_booster(agree):
    booster = train({"objective": "regression"}, rounds=12)
    agree(booster.refit(X, SIGNAL + 1), X)
    agree(booster.shuffle_models(), X)


def test_leaf_set_by_hand(agree):
    booster = train({"objective": "regression"})
    booster.set_leaf_output(0, 0, 1e300).set_leaf_output(1, 1, 5e-324)
    agree(booster, X)


# --- categories -----------------------------------------------------------------------------------

WILD = {"cat_smooth": 1, "cat_l2": 0, "min_data_per_group": 1, "max_cat_threshold": 64}


def native(levels: int, seed: int = 5) -> np.ndarray:
    """Make a column of category numbers with gaps, and one of numbers."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, ROWS).astype(float)
    codes[rng.random(ROWS) < 0.1] = np.nan
    return np.stack([codes, rng.normal(size=ROWS)], axis=1)


@pytest.mark.parametrize("levels", [2, 4, 31, 33, 200, 1_500])
@pytest.mark.parametrize("onehot", [1, 500], ids=["sets", "one-hot"])
def test_native_categories(levels, onehot, agree):
    x = native(levels)
    target = np.sin(np.nan_to_num(x[:, 0], nan=-1) * 12.9) + x[:, 1] / 10
    params = {"objective": "regression", **WILD, "max_cat_to_onehot": onehot}
    model = agree(train({**params, "min_data_in_leaf": 1}, target, x, categorical_feature=[0]), x)
    assert (trees_of(model).category_set >= 0).any()


@pytest.mark.parametrize("missing", MISSING)
def test_native_categories_and_missing_values(missing, agree):
    x = np.column_stack([native(12), X[:, 2], X[:, 1]])
    target = np.cos(np.nan_to_num(x[:, 0], nan=5) * 3) + SIGNAL / 5
    params = {"objective": "regression", **WILD, **MISSING[missing]}
    agree(train(params, target, x, categorical_feature=[0]), x)


def test_native_categories_that_are_negative(agree):
    x = native(9)
    x[::7, 0] = -4
    target = np.sin(np.nan_to_num(x[:, 0]) * 12.9)
    agree(train({"objective": "regression", **WILD}, target, x, categorical_feature=[0]), x)


def test_native_categories_far_apart(agree):
    x = np.stack([np.random.default_rng(0).choice([0, 3, 64, 9_999, 123_456], ROWS), X[:, 0]], 1)
    target = np.sin(x[:, 0]) + x[:, 1] / 10
    agree(train({"objective": "regression", **WILD}, target, x, categorical_feature=[0]), x)


@pytest.mark.parametrize(
    "value",
    [
        -0.5,
        -1.0,
        0.999,
        1.5,
        1e9,
        2.0**31,
        2.0**31 - 1,
        2.0**32,
        -(2.0**31),
        1e300,
        -1e300,
        np.inf,
        -np.inf,
        np.nan,
        -0.0,
        5e-324,
    ],
)
def test_native_category_of_an_odd_value(value):
    x = native(9)
    target = np.sin(np.nan_to_num(x[:, 0], nan=5) * 12.9)
    booster = train({"objective": "regression", **WILD}, target, x, categorical_feature=[0])
    rows = x[:50].copy()
    rows[:, 0] = value
    scores = score(booster, x, rows)
    assert scores.tobytes() == booster.predict(rows).tobytes()


def score(estimator, like, rows):
    training = Training.of(like, estimator)
    scorer = Scorer(convert(estimator, training))
    return scorer.score(Training.of(rows).table).prediction[:, 0]


PANDAS_LEVELS = {
    "text": (["b", "a", "", "é ☃"], object),
    "integers": ([3, -1, 2**40], np.int64),
    "floats": ([0.5, -0.0, 1e300], np.float64),
    "booleans": ([True, False], bool),
    "many": ([f"level {i}" for i in range(700)], object),
    "one": (["only"], object),
    "numbers as text": (["1", "1.0", "01", "nan"], object),
}


def categorical(kind, *, ordered=False, gaps=True):
    levels, dtype = PANDAS_LEVELS[kind]
    rng = np.random.default_rng(6)
    codes = rng.integers(-1 if gaps else 0, len(levels), ROWS)
    index = pd.Index(np.array(levels, dtype))
    column = pd.Categorical.from_codes(codes, index, ordered=ordered)
    frame = pd.DataFrame(
        {"k": column, "x": X[:, 0], "l": pd.Categorical(list("uvw")[i % 3] for i in range(ROWS))}
    )
    return frame, np.sin(codes * 12.9) + X[:, 0] / 10 + np.arange(ROWS) % 3


@pytest.mark.parametrize("kind", PANDAS_LEVELS)
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
@pytest.mark.parametrize("gaps", [False, True], ids=["full", "gaps"])
def test_pandas_categories(kind, ordered, gaps, agree):
    frame, target = categorical(kind, ordered=ordered, gaps=gaps)
    model = lgb.LGBMRegressor(**SMALL, min_child_samples=2, **WILD).fit(frame, target)
    agree(model, frame)


@pytest.mark.parametrize("kind", ["text", "integers", "booleans"])
def test_pandas_categories_in_another_order_and_unseen(kind):
    frame, target = categorical(kind)
    model = lgb.LGBMRegressor(**SMALL, min_child_samples=2, **WILD).fit(frame, target)
    training = Training.of(frame, model)
    scorer = Scorer(convert(model, training))
    levels = PANDAS_LEVELS[kind][0]
    more = {"text": ["zzz"], "integers": [99], "booleans": []}[kind]
    other = frame.assign(
        k=pd.Categorical([*(levels + more) * ROWS][:ROWS], categories=[*more, *reversed(levels)])
    )
    ours = scorer.score(pa.Table.from_pandas(other)).prediction[:, 0]
    assert ours.tobytes() == model.predict(other).tobytes()


def test_categories_of_a_part_of_the_frame_are_the_training_s():
    frame, target = categorical("text")
    model = lgb.LGBMRegressor(**SMALL, min_child_samples=2, **WILD).fit(frame, target)
    part = frame[frame["k"] == "a"].copy()
    part["k"] = part["k"].cat.remove_unused_categories()
    training = Training.of(part, model)
    ours = Scorer(convert(model, training)).score(training.table).prediction[:, 0]
    assert ours.tobytes() == model.predict(part).tobytes()


def test_categories_and_numbers_in_a_classifier_by_every_route(agree):
    frame, target = categorical("text")
    frame = frame.assign(gap=X[:, 1], flag=X[:, 0] > 0, count=X[:, 3].astype(int))
    labels = np.array(["low", "mid", "high"])[np.digitize(target, [0.5, 1.5])]
    model = lgb.LGBMClassifier(**SMALL, min_child_samples=2, **WILD).fit(frame, labels)
    agree(model, frame, rows=WIDE_GATE, routes=tuple(ROUTES))


# --- frames ---------------------------------------------------------------------------------------

NAMED = FRAME.assign(count=X[:, 3].astype(int), flag=X[:, 0] > 0)
GAPS = np.isnan(X[:, 1])
FRAMES = {
    "numpy": X,
    "numpy float32": X[:, :4].astype(np.float32),
    "numpy integers": X[:, 3:4].astype(np.int32),
    "numpy booleans": X[:, :3] > 0,
    "Fortran order": np.asfortranarray(X),
    "pandas": NAMED,
    "pandas float32": FRAME.astype(np.float32),
    "pandas small integers": NAMED[["count"]].astype("int8"),
    "pandas unsigned": NAMED[["count"]].abs().astype("uint64"),
    "pandas Int64": NAMED[["count"]].astype("Int64").mask(GAPS[:, None]),
    "pandas boolean": NAMED[["flag"]].astype("boolean").mask(GAPS[:, None]),
    "pandas Float64": FRAME[["a", "b"]].astype("Float64"),
    "polars": pl.from_pandas(NAMED),
    "polars narrow": pl.from_pandas(NAMED.astype({"a": "float32", "count": "int8"})),
    "polars with nulls": pl.from_pandas(FRAME).with_columns(pl.col("a").replace(X[0, 0], None)),
    "Arrow": pa.Table.from_pandas(NAMED),
    "Arrow narrow": pa.Table.from_pandas(NAMED.astype({"a": "float32", "count": "int16"})),
}


@pytest.mark.parametrize("name", FRAMES)
def test_any_frame(name, agree):
    frame = FRAMES[name]
    agree(lgb.LGBMRegressor(**SMALL).fit(frame, SIGNAL), frame)


def test_names_with_spaces_and_odd_letters(agree):
    names = ["a b", "ä_c ", "select", "x;y", "SUM(x)", "1st"]
    frame = FRAME.set_axis(names, axis=1)
    model = agree(lgb.LGBMRegressor(**SMALL).fit(frame, SIGNAL), frame)
    assert set(model.signature.names) <= set(names)


def test_trained_columns_are_found_by_name():
    model = lgb.LGBMRegressor(**SMALL).fit(FRAME, SIGNAL)
    wider = FRAME[FRAME.columns[::-1]].assign(more="text")
    training = Training.of(wider, model)
    assert training.signature.names == tuple(FRAME.columns)
    ours = Scorer(convert(model, training)).score(pa.Table.from_pandas(wider)).prediction[:, 0]
    assert ours.tobytes() == model.predict(FRAME).tobytes()


def test_decimals_at_scoring_are_read_to_the_nearest_double():
    x = np.round(X[:, :1], 3)
    booster = train({"objective": "regression", "num_leaves": 63}, x[:, 0], x)
    scorer = Scorer(convert(booster, Training.of(x, booster)))
    exact = pa.array([Decimal(f"{value:.3f}") for value in x[:, 0]], pa.decimal128(9, 3))
    ours = scorer.score(pa.table({"x0": exact})).prediction[:, 0]
    assert ours.tobytes() == booster.predict(x).tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_by_every_route(threads, agree):
    booster = train({"objective": "multiclass", "num_class": 3, "num_threads": threads}, CLASSES)
    agree(booster, X, rows=WIDE_GATE, routes=tuple(ROUTES))


def test_regression_by_every_route(agree):
    agree(
        lgb.LGBMRegressor(**SMALL | {"num_leaves": 31}).fit(NAMED, SIGNAL),
        NAMED,
        rows=WIDE_GATE,
        routes=tuple(ROUTES),
    )
