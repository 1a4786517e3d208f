"""CatBoost on numbers: its own bits, or a refusal by name."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from catboost import (
    CatBoost,
    CatBoostClassifier,
    CatBoostRanker,
    CatBoostRegressor,
    Pool,
    sum_models,
)
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql.certify.oracle import ask_library
from foresql.certify.routes import ROUTES
from foresql.errors import SignatureError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir.steps import Forest
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer
from foresql.kernels.contributions import explain

ROWS = 500
QUIET = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
SMALL = QUIET | {"iterations": 6, "depth": 4}


def make_frame(rows: int = ROWS) -> pd.DataFrame:
    """Make columns of every habit: plain, missing, integers, booleans, tied, large, rough."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "plain": rng.normal(size=rows),
            "gaps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
            "whole": rng.integers(-3, 4, rows),
            "flag": rng.random(rows) < 0.4,
            "tied": rng.choice([0.0, -0.0, 0.1, 1e-36, -1e-42, 5e-324, 1.0, np.nan], rows),
            "large": rng.normal(size=rows) * 1e30,
            "counted": 2**24 + rng.integers(0, 9, rows),
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
    + FRAME.counted % 3
    + (FRAME["near one"] > 1) * 3
).to_numpy()
POSITIVE = np.exp(SIGNAL / 8)
BINARY = (np.median(SIGNAL) < SIGNAL).astype(int)
CLASSES = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6]))
GROUPS = np.arange(ROWS) // 10


def convert_from(estimator, like=FRAME):
    return convert(estimator, Training.of(like, estimator))


# --- regression and ranking -----------------------------------------------------------------------

LOSSES = {
    "RMSE": SIGNAL,
    "MAE": SIGNAL,
    "MAPE": POSITIVE,
    "Quantile:alpha=0.2": SIGNAL,
    "Huber:delta=1": SIGNAL,
    "Expectile:alpha=0.3": SIGNAL,
    "LogLinQuantile": POSITIVE,
    "Poisson": POSITIVE,
    "Tweedie:variance_power=1.3": POSITIVE,
    "RMSEWithUncertainty": SIGNAL,
    "MultiRMSE": np.stack([SIGNAL, POSITIVE], axis=1),
    "MultiQuantile:alpha=0.1,0.9": SIGNAL,
    "Cox": np.where(SIGNAL > 0, SIGNAL, -1.0),
    "SurvivalAft:dist=Normal": np.stack([POSITIVE, POSITIVE * 2], axis=1),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(agree, loss):
    estimator = CatBoostRegressor(loss_function=loss, **SMALL).fit(FRAME, LOSSES[loss])
    agree(estimator, FRAME)


@pytest.mark.parametrize(
    "options",
    [
        {"nan_mode": "Max"},
        {"nan_mode": "Min"},
        {"grow_policy": "Depthwise", "depth": 6},
        {"grow_policy": "Lossguide", "max_leaves": 9},
        {"grow_policy": "Depthwise", "min_data_in_leaf": 90},
        {"depth": 1, "iterations": 1},
        {"depth": 10, "iterations": 2},
        {"border_count": 1000, "iterations": 30, "learning_rate": 0.5},
        {"boost_from_average": False},
        {"boosting_type": "Ordered", "bootstrap_type": "Bernoulli", "subsample": 0.6},
    ],
    ids=str,
)
def test_options_of_growing(agree, options):
    agree(CatBoostRegressor(**SMALL | options).fit(FRAME, SIGNAL), FRAME)


def test_one_column(agree):
    agree(CatBoostRegressor(**SMALL).fit(FRAME[["plain"]], SIGNAL), FRAME[["plain"]])


@pytest.mark.parametrize("frame", [FRAME, FRAME[["flag"]].astype(str).astype(object)])
def test_trees_without_splits(agree, frame):
    options = {"grow_policy": "Depthwise", "min_data_in_leaf": ROWS, "max_ctr_complexity": 1}
    keys = [] if frame is FRAME else ["flag"]
    estimator = CatBoostRegressor(cat_features=keys, **SMALL | options).fit(frame, SIGNAL)
    (forest,) = [s for s in agree(estimator, frame).steps if isinstance(s, Forest)]
    assert (forest.trees.feature == LEAF).all()


@pytest.mark.parametrize("loss", ["YetiRank", "PairLogit", "QueryRMSE"])
def test_ranker(agree, loss):
    estimator = CatBoostRanker(loss_function=loss, **SMALL)
    agree(estimator.fit(FRAME, CLASSES, group_id=GROUPS), FRAME)


def test_plain_catboost_gives_raw_scores(agree):
    params = SMALL | {"loss_function": "MultiClass"}
    model = agree(CatBoost(params).fit(FRAME, CLASSES), FRAME)
    assert model.outputs.classes is None
    assert len(model.outputs.prediction) == 3


def test_best_model_is_shorter(agree):
    estimator = CatBoostRegressor(**SMALL | {"iterations": 100, "learning_rate": 0.9})
    estimator.fit(FRAME[:400], SIGNAL[:400], eval_set=(FRAME[400:], SIGNAL[400:]))
    assert estimator.tree_count_ < 100
    (forest,) = [s for s in agree(estimator, FRAME).steps if isinstance(s, Forest)]
    assert forest.trees.count == estimator.tree_count_


@pytest.mark.parametrize(("scale", "bias"), [(1.7, 0.3), (0.37, 0.0), (1.0, -0.1), (0.0, 2.0)])
def test_scale_and_bias(agree, scale, bias):
    estimator = CatBoostRegressor(**SMALL).fit(FRAME, SIGNAL)
    estimator.set_scale_and_bias(scale, [bias])
    agree(estimator, FRAME)


def test_sum_of_models(agree):
    parts = [CatBoostRegressor(**SMALL | {"depth": depth}).fit(FRAME, SIGNAL) for depth in (2, 3)]
    agree(sum_models(parts, weights=[0.3, 0.7]), FRAME)


class _Own:
    """Squared error, as a user writes it."""

    def calc_ders_range(self, approxes, targets, _weights):
        return [(target - approx, -1.0) for approx, target in zip(approxes, targets, strict=True)]


def test_objective_of_the_users_own(agree, quietly):
    estimator = CatBoostRegressor(loss_function=_Own(), eval_metric="RMSE", **SMALL)
    agree(quietly(lambda: estimator.fit(FRAME, SIGNAL)), FRAME)


@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
def test_contributions_are_those_of_catboost(policy):
    estimator = CatBoostRegressor(grow_policy=policy, **SMALL).fit(FRAME, SIGNAL)
    theirs = estimator.get_feature_importance(type="ShapValues", data=Pool(FRAME))
    training = Training.of(FRAME, estimator)
    scorer = Scorer(convert(estimator, training))
    found = explain(scorer, scorer.decoder.decode(training.table))
    places = [FRAME.columns.get_loc(name) for name in scorer.model.signature.names]
    assert np.allclose(found.contributions[0].T, theirs[:, places], atol=1e-9)


# --- classes --------------------------------------------------------------------------------------

LABELS = {
    "integers": np.array([0, 1])[BINARY],
    "other integers": np.array([-7, 3])[BINARY],
    "texts": np.array(["no", "yes"])[BINARY],
    "numbers as texts": np.array(["10", "9"])[BINARY],
    "booleans": BINARY.astype(bool),
    "floats": np.array([0.5, 1.5])[BINARY],
    "three integers": np.array([5, 2, 9])[CLASSES],
    "three texts": np.array(["c", "a", "b"])[CLASSES],
    "three floats": np.array([1.5, 2.0, 9.0])[CLASSES],
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels(agree, labels):
    estimator = CatBoostClassifier(**SMALL).fit(FRAME, LABELS[labels])
    model = agree(estimator, FRAME)
    assert list(model.outputs.classes) == estimator.classes_.tolist()
    expected = {type(label) for label in estimator.classes_.tolist()}
    assert {type(label) for label in model.outputs.classes} == expected


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({"loss_function": "CrossEntropy"}, 1 / (1 + np.exp(-SIGNAL))),
        ({"loss_function": "MultiClass"}, BINARY.astype(bool)),
        ({"loss_function": "MultiClass", "grow_policy": "Lossguide"}, CLASSES),
        ({"loss_function": "MultiClassOneVsAll"}, CLASSES),
        ({"class_names": [2, 0, 1]}, CLASSES),
        ({"class_names": ["z", "x", "y"]}, np.array(["x", "y", "z"])[CLASSES]),
        ({"auto_class_weights": "Balanced"}, BINARY),
        ({"learning_rate": 1.0, "iterations": 60}, CLASSES),
    ],
    ids=str,
)
def test_classifiers(agree, options, target):
    agree(CatBoostClassifier(**SMALL | options).fit(FRAME, target), FRAME)


@pytest.mark.parametrize("count", [4, 5, 9])
def test_softmax_has_the_bits_of_catboost(count):
    target = np.digitize(SIGNAL, np.quantile(SIGNAL, np.linspace(0, 1, count + 1)[1:-1]))
    estimator = CatBoostClassifier(**SMALL | {"learning_rate": 1.0}).fit(FRAME, target)
    training = Training.of(FRAME, estimator)
    ours = Scorer(convert(estimator, training)).score(training.table)
    theirs = ask_library(estimator, FRAME)
    assert ours.probabilities.tobytes() == theirs.probabilities.tobytes()


@pytest.mark.parametrize("loss", ["Poisson", "RMSEWithUncertainty"])
def test_exponentials_have_the_bits_of_catboost(loss):
    estimator = CatBoostRegressor(loss_function=loss, **SMALL).fit(FRAME, POSITIVE)
    training = Training.of(FRAME, estimator)
    ours = Scorer(convert(estimator, training)).score(training.table)
    theirs = ask_library(estimator, FRAME)
    assert ours.prediction.tobytes() == theirs.prediction.tobytes()


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.51, 0.7, 0.999, 1.0])
def test_label_at_the_threshold(threshold):
    estimator = CatBoostClassifier(**SMALL).fit(FRAME, BINARY)
    estimator.set_probability_threshold(threshold)
    inner = 0.0 < threshold < 1.0
    border = -math.log(1 / threshold - 1) if inner else 0.0
    training = Training.of(FRAME[:1], estimator)
    labels = []
    for score in (np.nextafter(border, -math.inf), border, np.nextafter(border, math.inf)):
        estimator.set_scale_and_bias(0.0, [float(score)])
        ours = Scorer(convert(estimator, training)).score(training.table).prediction[0, 0]
        assert ours == ask_library(estimator, FRAME[:1]).prediction[0]
        labels.append(ours)
    assert labels == [0, 0, 1] if inner else len(set(labels)) == 1


# --- frames and pipelines -------------------------------------------------------------------------

NUMBERS = ["plain", "gaps", "whole"]
FRAMES = {
    "numpy": FRAME[NUMBERS].to_numpy(float),
    "numpy float32": FRAME[NUMBERS].to_numpy(np.float32),
    "numpy integers": FRAME[["whole", "counted"]].to_numpy(),
    "polars": pl.DataFrame(FRAME[NUMBERS]),
    "pandas' own types": FRAME[NUMBERS].astype({"whole": "Int64", "gaps": "Float64"}),
    "float32": FRAME[NUMBERS].astype({"plain": np.float32}),
    "infinite": FRAME[NUMBERS].assign(plain=np.where(FRAME.plain > 1, np.inf, FRAME.plain)),
}


@pytest.mark.parametrize("like", FRAMES.values(), ids=FRAMES)
def test_frames(agree, like):
    agree(CatBoostRegressor(**SMALL).fit(like, SIGNAL), like)


def test_columns_are_found_by_name(agree):
    estimator = CatBoostRegressor(**SMALL).fit(FRAME[NUMBERS], SIGNAL)
    model = agree(estimator, FRAME[["whole", "flag", "gaps", "plain"]])
    assert model.signature.names == tuple(NUMBERS)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_pipeline(agree, is_sparse):
    frame = FRAME.assign(name=np.array(["a", "b", "c"])[CLASSES])
    columns = ColumnTransformer(
        [
            ("scale", StandardScaler(), ["plain", "whole"]),
            ("encode", OneHotEncoder(sparse_output=is_sparse), ["name"]),
        ],
        sparse_threshold=1.0,
    )
    estimator = make_pipeline(columns, CatBoostClassifier(**SMALL)).fit(frame, CLASSES)
    agree(estimator, frame)


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two", "three"])
def test_search(agree, target):
    search = GridSearchCV(CatBoostClassifier(**SMALL), {"depth": [2, 3]}, cv=2)
    agree(search.fit(FRAME, target), FRAME, rows=500)


def test_all_routes(agree):
    agree(CatBoostClassifier(**SMALL).fit(FRAME, CLASSES), FRAME, rows=500, routes=tuple(ROUTES))


# --- refusals -------------------------------------------------------------------------------------


def test_not_fitted():
    with pytest.raises(UnsupportedModelError, match="CatBoostRegressor: it is not fitted"):
        convert(CatBoostRegressor(), Training.of(FRAME))


def test_several_labels_a_row():
    target = np.stack([BINARY, CLASSES > 0], axis=1).astype(int)
    estimator = CatBoostClassifier(loss_function="MultiLogloss", **SMALL).fit(FRAME, target)
    with pytest.raises(UnsupportedModelError, match="several labels a row"):
        convert_from(estimator)


def test_classes_that_training_never_saw():
    options = {"classes_count": 5, "loss_function": "MultiClass"}
    estimator = CatBoostClassifier(**SMALL | options).fit(FRAME, CLASSES)
    with pytest.raises(UnsupportedModelError, match="3 classes, and 5 were named"):
        convert_from(estimator)


def test_integers_that_float64_does_not_hold():
    frame = pd.DataFrame({"x": 2**60 + np.arange(ROWS) * 2**52})
    estimator = CatBoostRegressor(**SMALL).fit(frame, np.arange(ROWS))
    with pytest.raises(UnsupportedModelError, match=r"integers of column 'x' beyond 2\*\*52"):
        convert_from(estimator, frame)


def test_exponentials_beyond_the_range():
    estimator = CatBoostRegressor(loss_function="Poisson", **SMALL).fit(FRAME, POSITIVE)
    estimator.set_scale_and_bias(1.0, [-720.0])
    with pytest.raises(UnsupportedModelError, match="depends on the number of rows"):
        convert_from(estimator)


def test_columns_of_another_number():
    estimator = CatBoostRegressor(**SMALL).fit(FRAME[NUMBERS], SIGNAL)
    with pytest.raises(SignatureError, match="3 features, and the frame has 2 columns"):
        convert(estimator, Training.of(FRAME[["plain", "gaps"]]))


def test_texts_as_numbers():
    frame = pd.DataFrame({"x": FRAME.plain.map(str).astype(object)})
    estimator = CatBoostRegressor(**SMALL).fit(frame, SIGNAL)
    with pytest.raises(UnsupportedModelError, match="column 'x' is varchar"):
        convert_from(estimator, frame)


def test_text_features():
    frame = pd.DataFrame({"x": FRAME.plain, "t": np.array(["a b", "b c", "c a"])[CLASSES]})
    frame = frame.astype({"t": object})
    estimator = CatBoostRegressor(text_features=["t"], **SMALL).fit(frame, SIGNAL)
    with pytest.raises(UnsupportedModelError, match="text features"):
        convert_from(estimator, frame)


def test_dropped_features():
    estimator = CatBoostRegressor(**SMALL | {"depth": 1, "iterations": 1}).fit(FRAME, SIGNAL)
    estimator.drop_unused_features()
    with pytest.raises(UnsupportedModelError, match="drop_unused_features"):
        convert(estimator, Training.of(FRAME))
