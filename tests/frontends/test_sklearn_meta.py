"""scikit-learn's meta estimators against their translations."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from foresql import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir import steps as s

ROWS = 240
RNG = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "plain": RNG.normal(size=ROWS),
        "tied": RNG.choice([0.1, 0.2, 0.3, -0.0, 0.0], ROWS),
        "whole": RNG.integers(-6, 7, ROWS),
        "flag": RNG.random(ROWS) < 0.3,
    }
)
CITIES = FRAME.assign(city=RNG.choice(["Ö", "b", "c d"], ROWS))
SIGNAL = (FRAME["plain"] * 2 + FRAME["whole"] * FRAME["tied"] + FRAME["flag"]).to_numpy()
LATE = np.median(SIGNAL) < SIGNAL
TEXT = np.where(LATE, "late", "on time")
LEVEL = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.4, 0.8]))
THREE = np.array(["é", "B", "a b"])[LEVEL]
SPARSE = np.array([40, -7, 3])[LEVEL]
PROBES = 500

TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
FOREST = RandomForestClassifier(3, max_depth=3, random_state=0)
BOOSTED = GradientBoostingClassifier(n_estimators=3)
LINEAR = LogisticRegression()
NO_PROBABILITIES = RidgeClassifier()
GROWN = DecisionTreeRegressor(max_depth=4, random_state=0)
STRAIGHT = Ridge()
HISTOGRAM = HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=5)


def reason_to_refuse(estimator, frame=FRAME) -> str:
    with pytest.raises(UnsupportedModelError) as refusal:
        convert(estimator, Training.of(frame, estimator))
    return str(refusal.value)


def has_dot(model) -> bool:
    return any(isinstance(step, s.Dot) for step in model.steps)


def scaled_cities(estimator):
    encoder = OneHotEncoder(sparse_output=False)
    before = make_column_transformer((encoder, ["city"]), (StandardScaler(), ["plain", "whole"]))
    return make_pipeline(before, estimator)


def named(*estimators):
    return [(f"e{index}", estimator) for index, estimator in enumerate(estimators)]


@pytest.mark.parametrize("method", ["auto", "predict_proba", "predict"])
@pytest.mark.parametrize("target", [LATE, TEXT, THREE, SPARSE], ids=["flag", "2", "3", "ints"])
@pytest.mark.parametrize("passthrough", [False, True])
def test_stacked_classifiers(method, target, passthrough, agree):
    members = named(FOREST, LINEAR)
    options = {"stack_method": method, "passthrough": passthrough, "cv": 2}
    model = StackingClassifier(members, LINEAR, **options).fit(FRAME, target)
    agree(model, FRAME, rows=PROBES)


@pytest.mark.parametrize("target", [TEXT, THREE], ids=["2", "3"])
def test_stacked_decision_functions(target, agree):
    boosted = GradientBoostingClassifier(n_estimators=3)
    members = [*named(NO_PROBABILITIES, boosted), ("gone", "drop")]
    options = {"stack_method": "decision_function", "cv": 2}
    model = StackingClassifier(members, NO_PROBABILITIES, **options).fit(FRAME, target)
    assert not agree(model, FRAME, rows=PROBES).outputs.probabilities


@pytest.mark.parametrize("target", [LATE, SPARSE, SPARSE * 2.0], ids=["flags", "ints", "floats"])
def test_stacked_labels_of_fitted_classifiers(target, agree):
    members = named(TREE.fit(FRAME, target), RidgeClassifier().fit(FRAME, target))
    options = {"stack_method": "predict", "cv": "prefit"}
    agree(StackingClassifier(members, LINEAR, **options).fit(FRAME, target), FRAME, rows=PROBES)


def test_stacked_trees_of_trees_are_exact(agree):
    final = RandomForestClassifier(3, max_depth=3)
    boosted = GradientBoostingClassifier(n_estimators=3)
    model = StackingClassifier(named(FOREST, boosted), final, cv=2).fit(FRAME, TEXT)
    assert not has_dot(agree(model, FRAME, rows=PROBES, routes=("kernel", "reloaded", "duckdb")))


@pytest.mark.parametrize("passthrough", [False, True])
def test_stacked_regressors(passthrough, agree):
    members = named(STRAIGHT, GROWN, HISTOGRAM)
    model = StackingRegressor(members, STRAIGHT, cv=2, passthrough=passthrough)
    agree(model.fit(FRAME, SIGNAL), FRAME, rows=PROBES)


def test_stack_behind_text_columns(agree):
    model = StackingClassifier(named(scaled_cities(LINEAR), scaled_cities(FOREST)), LINEAR, cv=2)
    agree(model.fit(CITIES, THREE), CITIES, rows=PROBES)
    inside = scaled_cities(StackingRegressor(named(GROWN, STRAIGHT), STRAIGHT, cv=2))
    agree(inside.fit(CITIES, SIGNAL), CITIES, rows=PROBES)


@pytest.mark.parametrize(
    "transformer",
    [
        StackingClassifier(named(FOREST, LINEAR), cv=2),
        StackingClassifier(named(FOREST, NO_PROBABILITIES), cv=2, passthrough=True),
        VotingClassifier(named(FOREST, LINEAR), voting="soft"),
        VotingClassifier(named(FOREST, LINEAR, TREE), voting="hard"),
    ],
    ids=["stack", "stack with columns", "soft vote", "hard vote"],
)
def test_ensembles_as_transformers(transformer, agree):
    agree(make_pipeline(transformer, LINEAR).fit(FRAME, THREE), FRAME, rows=PROBES)


@pytest.mark.parametrize("kind", [StackingRegressor, VotingRegressor])
def test_ensembles_of_regressors_as_transformers(kind, agree):
    options = {"cv": 2} if kind is StackingRegressor else {}
    model = make_pipeline(kind(named(GROWN, STRAIGHT), **options), StandardScaler(), STRAIGHT)
    agree(model.fit(FRAME, SIGNAL), FRAME, rows=PROBES)


def test_trees_above_linear_models_are_refused():
    model = StackingRegressor(named(STRAIGHT, GROWN), GROWN, cv=2).fit(FRAME, SIGNAL)
    assert "a linear model last" in reason_to_refuse(model)


def test_stacked_texts_are_refused():
    members = named(TREE.fit(FRAME, LEVEL))
    options = {"stack_method": "predict", "cv": "prefit"}
    model = StackingClassifier(members, LINEAR, **options).fit(FRAME, LEVEL)
    model.estimators_ = [TREE.fit(FRAME, THREE)]
    assert "which are text" in reason_to_refuse(model)


def test_cube_of_votes_is_refused():
    voting = VotingClassifier(named(FOREST, LINEAR), voting="soft", flatten_transform=False)
    model = make_pipeline(voting, LINEAR)
    model.steps[0] = ("voting", voting.fit(FRAME, THREE))
    model.steps[1] = ("last", LogisticRegression().fit(np.eye(6), np.arange(6)))
    assert "flatten_transform=True" in reason_to_refuse(model)


@pytest.mark.parametrize("weights", [None, [0.3, 2.0, 0.7]])
def test_voting_of_trees_is_exact(weights, agree):
    soft = VotingClassifier(named(FOREST, TREE, FOREST), voting="soft", weights=weights)
    assert not has_dot(agree(soft.fit(FRAME, THREE), FRAME, rows=PROBES))
    mean = VotingRegressor(named(GROWN, HISTOGRAM, GROWN), weights=weights)
    assert not has_dot(agree(mean.fit(FRAME, SIGNAL), FRAME, rows=PROBES))


def test_voting_of_many_regressors(agree):
    members = named(*[ExtraTreeRegressor(max_depth=3, random_state=seed) for seed in range(11)])
    assert has_dot(agree(VotingRegressor(members).fit(FRAME, SIGNAL), FRAME, rows=PROBES))


@pytest.mark.parametrize("base", [LINEAR, NO_PROBABILITIES, FOREST, BOOSTED, TREE])
@pytest.mark.parametrize("target", [TEXT, SPARSE], ids=["2", "3"])
def test_bagged_classifiers(base, target, agree):
    options = {"max_samples": 0.7, "max_features": 3, "random_state": 0}
    agree(BaggingClassifier(base, 4, **options).fit(FRAME, target), FRAME, rows=PROBES)


RARE = np.where(np.arange(ROWS) < 3, "rare", np.where(np.arange(ROWS) < 5, "odd", TEXT))


@pytest.mark.parametrize("base", [TREE, FOREST, VotingClassifier(named(TREE))])
def test_bagged_classifiers_that_miss_a_class(base, agree, quietly):
    # A pipeline takes no weights, so bagging gives it the drawn rows alone.
    model = BaggingClassifier(make_pipeline(base), 5, max_samples=0.15, random_state=4)
    quietly(lambda: model.fit(FRAME, RARE))
    assert any(len(member.classes_) < 4 for member in model.estimators_)
    agree(model, FRAME, rows=PROBES)


def test_bagged_decision_functions_that_miss_a_class_are_refused(quietly):
    model = BaggingClassifier(make_pipeline(LINEAR), 5, max_samples=0.15, random_state=4)
    quietly(lambda: model.fit(FRAME, RARE))
    assert "decision_function fails" in reason_to_refuse(model)


@pytest.mark.parametrize("base", [STRAIGHT, HISTOGRAM, GROWN])
def test_bagged_regressors(base, agree):
    options = {"max_samples": 0.7, "max_features": 3, "random_state": 0}
    agree(BaggingRegressor(base, 4, **options).fit(FRAME, SIGNAL), FRAME, rows=PROBES)


def test_bagged_pipelines(agree):
    base = make_pipeline(StandardScaler(), LinearRegression())
    agree(scaled_cities(BaggingRegressor(base, 3)).fit(CITIES, SIGNAL), CITIES, rows=PROBES)


@pytest.mark.parametrize("base", [STRAIGHT, HISTOGRAM, GROWN, ExtraTreeRegressor(max_depth=2)])
@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_adaptive_regressor(base, loss, agree):
    model = AdaBoostRegressor(base, n_estimators=7, loss=loss, random_state=0)
    agree(model.fit(FRAME, SIGNAL), FRAME, rows=PROBES)


def test_adaptive_regressor_of_one_tree(agree):
    model = AdaBoostRegressor(DecisionTreeRegressor(), n_estimators=5, random_state=1)
    agree(model.fit(FRAME[["plain"]], FRAME["plain"] > 0), FRAME[["plain"]], rows=PROBES)


def test_adaptive_regressor_in_sql(agree):
    model = AdaBoostRegressor(n_estimators=12, random_state=0).fit(FRAME, SIGNAL.round())
    assert not has_dot(agree(model, FRAME, rows=2000, routes=("kernel", "reloaded", "duckdb")))


@pytest.mark.parametrize("base", [LINEAR, FOREST, Perceptron()])
@pytest.mark.parametrize("target", [LATE, THREE], ids=["2", "3"])
def test_adaptive_classifier_of_any_base(base, target, agree):
    model = AdaBoostClassifier(base, n_estimators=4, random_state=0)
    agree(model.fit(FRAME, target), FRAME, rows=PROBES)


@pytest.mark.parametrize(
    "base",
    [
        DecisionTreeRegressor(max_depth=2),
        RandomForestRegressor(3, max_depth=2),
        HISTOGRAM,
        GradientBoostingRegressor(n_estimators=2),
    ],
)
def test_boosting_from_a_prediction(base, agree):
    model = GradientBoostingRegressor(init=base, n_estimators=4, max_depth=2)
    assert not has_dot(agree(model.fit(FRAME, SIGNAL), FRAME, rows=PROBES))


@pytest.mark.parametrize(
    "model",
    [
        GradientBoostingRegressor(init=STRAIGHT, n_estimators=2),
        GradientBoostingClassifier(init=FOREST, n_estimators=2),
    ],
)
def test_boosting_from_other_predictions_is_refused(model):
    model.fit(FRAME, LATE)
    assert "in float32" in reason_to_refuse(model)


@pytest.mark.parametrize("sparse", [True, False])
def test_leaves_as_columns(sparse, agree):
    embedding = RandomTreesEmbedding(3, max_depth=3, sparse_output=sparse, random_state=0)
    agree(make_pipeline(embedding, LINEAR).fit(FRAME, THREE), FRAME, rows=PROBES)


def test_leaves_as_columns_of_trees_are_exact(agree):
    embedding = RandomTreesEmbedding(3, max_depth=3, sparse_output=False, random_state=0)
    model = make_pipeline(embedding, GROWN).fit(FRAME, SIGNAL)
    assert not has_dot(agree(model, FRAME, rows=PROBES))


@pytest.mark.parametrize("target", [TEXT, THREE], ids=["2", "3"])
def test_frozen_estimators(target, agree):
    scaler = FrozenEstimator(StandardScaler().fit(FRAME))
    agree(make_pipeline(scaler, LINEAR).fit(FRAME, target), FRAME, rows=PROBES)
    agree(FrozenEstimator(FOREST.fit(FRAME, target)), FRAME, rows=PROBES)
    members = named(FrozenEstimator(FOREST.fit(FRAME, LEVEL)), TREE)
    agree(VotingClassifier(members, voting="soft").fit(FRAME, LEVEL), FRAME, rows=PROBES)


def test_frozen_members_that_know_other_labels(agree):
    tree = FrozenEstimator(DecisionTreeClassifier(max_depth=2).fit(FRAME, SPARSE))
    agree(BaggingClassifier(tree, 2).fit(FRAME, SPARSE), FRAME, rows=PROBES)
    agree(VotingClassifier(named(tree), voting="soft").fit(FRAME, SPARSE), FRAME, rows=PROBES)
    voting = VotingClassifier(named(tree), voting="hard").fit(FRAME, SPARSE)
    assert "where the library reads their places" in reason_to_refuse(voting)
    vote = FrozenEstimator(RidgeClassifier().fit(FRAME, THREE))
    assert "('B', 'a b', 'é')" in reason_to_refuse(BaggingClassifier(vote, 2).fit(FRAME, THREE))
    final = FrozenEstimator(RidgeClassifier().fit(FRAME[["plain", "whole", "tied"]], SPARSE))
    stack = StackingClassifier(named(FOREST), final, cv=2).fit(FRAME, SPARSE)
    assert "(-7, 3, 40)" in reason_to_refuse(stack)


@pytest.mark.parametrize("base", [LINEAR, FOREST, HistGradientBoostingClassifier(max_iter=3)])
def test_self_training(base, agree):
    some = np.where(RNG.random(ROWS) < 0.5, LEVEL, -1)
    agree(SelfTrainingClassifier(base).fit(FRAME, some), FRAME, rows=PROBES)


@pytest.mark.parametrize(
    "model",
    [
        StackingRegressor(named(STRAIGHT)),
        StackingClassifier(named(LINEAR)),
        AdaBoostRegressor(),
        SelfTrainingClassifier(LINEAR),
    ],
)
def test_estimators_that_were_never_fitted(model):
    assert "it is not fitted" in reason_to_refuse(model)


# --- members that predict in float32 --------------------------------------------------------------

XGB = XGBClassifier(n_estimators=3, max_depth=3)
XGB_NUMBER = XGBRegressor(n_estimators=3, max_depth=3)


@pytest.mark.parametrize("final", [LINEAR, FOREST])
def test_stack_of_several_libraries(final, agree):
    lightgbm = LGBMClassifier(n_estimators=3, num_leaves=5, verbose=-1)
    model = StackingClassifier(named(XGB, lightgbm, FOREST), final, cv=2)
    agree(model.fit(FRAME, TEXT), FRAME, rows=PROBES)


def test_votes_of_several_libraries(agree):
    members = named(XGB_NUMBER, LGBMRegressor(n_estimators=3, verbose=-1), GROWN)
    assert not has_dot(agree(VotingRegressor(members).fit(FRAME, SIGNAL), FRAME, rows=PROBES))
    soft = VotingClassifier(named(XGB, XGB), voting="soft", weights=[0.3, 0.6])
    agree(soft.fit(FRAME, LEVEL), FRAME, rows=PROBES)


@pytest.mark.parametrize(
    "model",
    [
        AdaBoostRegressor(XGB_NUMBER, n_estimators=3, random_state=0),
        AdaBoostClassifier(XGB, n_estimators=3, random_state=0),
        BaggingClassifier(XGB, 3, random_state=0),
    ],
)
def test_float32_that_is_added_in_float64(model, agree):
    assert not has_dot(agree(model.fit(FRAME, LEVEL), FRAME, rows=PROBES))


@pytest.mark.parametrize(
    "model",
    [
        BaggingRegressor(XGB_NUMBER, 2),
        VotingRegressor(named(XGB_NUMBER)),
        VotingClassifier(named(XGB, XGB), voting="soft"),
        StackingRegressor(named(XGB_NUMBER), STRAIGHT, cv=2),
        StackingClassifier(named(XGB), LINEAR, cv=2),
    ],
)
def test_float32_that_stays_is_refused(model):
    assert "predict in float32" in reason_to_refuse(model.fit(FRAME, LEVEL))


@pytest.mark.parametrize("share", [0.3, 0.7, "auto"])
@pytest.mark.parametrize("positive", [False, True])
def test_threshold_in_float32(share, positive, agree):
    model = XGB.fit(FRAME, LATE)
    shares = model.predict_proba(FRAME)[:, int(positive)]
    nearest = share if share == "auto" else float(str(np.sort(shares)[int(share * ROWS)]))
    options = {"threshold": nearest, "pos_label": positive}
    fixed = FixedThresholdClassifier(FrozenEstimator(model), **options).fit(FRAME, LATE)
    agree(fixed, FRAME, rows=PROBES)


@pytest.mark.parametrize("base", [XGB, FOREST, NO_PROBABILITIES])
def test_tuned_threshold(base, agree):
    agree(TunedThresholdClassifierCV(base, cv=2).fit(FRAME, LATE), FRAME, rows=PROBES)


# --- several labels a row -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ClassifierChain, MultiOutputClassifier])
def test_several_labels_are_refused(kind):
    labels = np.stack([LATE, LEVEL > 0], axis=1)
    assert "publish each of" in reason_to_refuse(kind(TREE).fit(FRAME, labels))


def test_each_of_several_labels(agree):
    labels = np.stack([LATE, LEVEL > 0], axis=1)
    for member in MultiOutputClassifier(FOREST).fit(FRAME, labels).estimators_:
        agree(member, FRAME, rows=PROBES)


def test_stack_of_several_labels_is_refused():
    labels = np.stack([LATE, LEVEL > 0], axis=1).astype(int)
    model = StackingClassifier(named(FOREST), FOREST, cv=2).fit(FRAME, labels)
    assert "several labels for a row" in reason_to_refuse(model)
