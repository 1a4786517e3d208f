"""scikit-learn's trees and ensembles against their translations, bit for bit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from foresql import ScoringError, UnsupportedModelError
from foresql.certify.routes import ROUTES
from foresql.frontends import Training, convert
from foresql.frontends.sklearn import ensemble, tree
from foresql.ir.steps import Forest
from foresql.kernels import Scorer
from foresql.kernels.contributions import explain
from foresql.kernels.leaves import leaf_ranges

ROWS = 600
WIDE_GATE = 10_000


def make_frame(rows: int = ROWS) -> pd.DataFrame:
    """Make columns of every habit: plain, missing, tied, whole, denormal, large, constant."""
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "plain": rng.normal(size=rows),
            "gaps": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "tied": rng.choice([0.1, 0.2, 0.3, -0.0, 0.0, 1e-40, -5e-324], rows),
            "whole": rng.integers(-6, 7, rows),
            "large": rng.normal(size=rows) * 1e30,
            "flag": rng.random(rows) < 0.3,
            "same": 7.0,
        }
    )


GAPS = make_frame()
FULL = GAPS.drop(columns="gaps")
SIGNAL = (
    GAPS["plain"] * 2
    + GAPS["gaps"].fillna(2.0) * GAPS["whole"]
    + GAPS["flag"]
    + GAPS["large"] / 1e30
    + GAPS["tied"] * 5
).to_numpy()
POSITIVE = np.exp(SIGNAL / 8)
BINARY = np.median(SIGNAL) < SIGNAL
LEVEL = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6, 0.9]))
CLASSES = np.array(["never", "late", "very late", "on time"])[LEVEL]
WEIGHT = np.random.default_rng(3).gamma(1.0, 1.0, ROWS)

LABELS = {
    "floats": LEVEL * 2.0,
    "booleans": BINARY,
    "integers": LEVEL * 3 - 5,
    "two integers": BINARY.astype(int) - 1,
    "text": CLASSES,
}


def trees_of(model):
    return next(step for step in model.steps if isinstance(step, Forest)).trees


def reason_to_refuse(estimator, frame) -> str:
    with pytest.raises(UnsupportedModelError) as refusal:
        convert(estimator, Training.of(frame, estimator))
    return str(refusal.value)


# --- single trees ---------------------------------------------------------------------------------

TREE_OPTIONS = {
    "unlimited": {},
    "stump": {"max_depth": 1},
    "best first": {"max_leaf_nodes": 20},
    "one leaf": {"min_samples_leaf": ROWS},
    "random": {"splitter": "random"},
    "pruned": {"ccp_alpha": 0.01},
    "few features": {"max_features": 2, "min_samples_leaf": 3},
}
SINGLE = [
    (DecisionTreeRegressor, SIGNAL),
    (DecisionTreeClassifier, CLASSES),
    (DecisionTreeClassifier, BINARY),
]


@pytest.mark.parametrize(("kind", "target"), SINGLE, ids=["value", "class", "yes or no"])
@pytest.mark.parametrize("name", TREE_OPTIONS)
def test_single_tree(kind, target, name, agree):
    fitted = kind(**TREE_OPTIONS[name], random_state=0).fit(GAPS, target)
    model = agree(fitted, GAPS)
    assert leaf_ranges(trees_of(model)).most_leaves == fitted.get_n_leaves()


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
@pytest.mark.parametrize("frame", [GAPS, FULL], ids=["gaps", "full"])
def test_criterion_of_a_regressor(criterion, frame, agree):
    frame = FULL if criterion == "absolute_error" else frame
    model = DecisionTreeRegressor(criterion=criterion, max_depth=6, random_state=0)
    agree(model.fit(frame, POSITIVE), frame)


@pytest.mark.parametrize("criterion", ["gini", "entropy", "log_loss"])
def test_criterion_of_a_classifier(criterion, agree):
    model = DecisionTreeClassifier(criterion=criterion, max_depth=6, random_state=0)
    agree(model.fit(GAPS, CLASSES), GAPS)


@pytest.mark.parametrize("name", LABELS)
def test_labels(name, agree):
    model = agree(DecisionTreeClassifier(max_depth=5).fit(GAPS, LABELS[name]), GAPS)
    assert model.outputs.classes == tuple(np.unique(LABELS[name]).tolist())


def test_sample_and_class_weights(agree):
    classifier = DecisionTreeClassifier(class_weight="balanced", max_depth=8, random_state=0)
    agree(classifier.fit(GAPS, CLASSES, WEIGHT), GAPS)
    agree(DecisionTreeRegressor(random_state=0).fit(GAPS, SIGNAL, WEIGHT), GAPS)


@pytest.mark.parametrize("kind", [ExtraTreeRegressor, RandomForestRegressor])
def test_monotonic_constraints(kind, agree):
    model = kind(monotonic_cst=[1, 0, -1, 0, 1, 0], random_state=0)
    model.set_params(max_depth=6)
    agree(model.fit(FULL, SIGNAL), FULL)


def test_monotonic_constraints_of_a_classifier(agree):
    model = DecisionTreeClassifier(monotonic_cst=[1, 0, -1, 0, 0, 0], random_state=0)
    agree(model.fit(FULL, BINARY), FULL)


@pytest.mark.parametrize(
    ("kind", "target"), [(ExtraTreeRegressor, SIGNAL), (ExtraTreeClassifier, CLASSES)]
)
@pytest.mark.parametrize("frame", [GAPS, FULL], ids=["gaps", "full"])
def test_extra_tree(kind, target, frame, agree):
    agree(kind(random_state=0).fit(frame, target), frame)


def test_several_targets(agree):
    targets = np.stack([SIGNAL, -POSITIVE, SIGNAL * 0.1], axis=1)
    model = agree(DecisionTreeRegressor(max_depth=6, random_state=0).fit(GAPS, targets), GAPS)
    assert len(model.outputs.prediction) == 3
    forest = RandomForestRegressor(5, max_depth=6, random_state=0)
    assert len(agree(forest.fit(GAPS, targets), GAPS).outputs.prediction) == 3


def test_targets_of_one_column(agree):
    agree(DecisionTreeRegressor(max_depth=4).fit(FULL, SIGNAL.reshape(-1, 1)), FULL)


def test_missing_values_where_training_had_none(agree):
    model = agree(DecisionTreeRegressor(random_state=0).fit(FULL, SIGNAL), FULL)
    gaps = Training.of(FULL.assign(plain=np.nan)).table
    assert np.isfinite(Scorer(model).score(gaps).prediction).all()


def test_split_on_being_missing(agree):
    frame = pd.DataFrame({"x": np.where(GAPS["gaps"].isna(), np.nan, 1.0), "y": GAPS["plain"]})
    fitted = DecisionTreeRegressor(max_depth=1).fit(frame, frame["x"].isna() * 1.0)
    assert np.isinf(trees_of(agree(fitted, frame)).threshold).any()


def test_array_without_names(agree):
    agree(
        RandomForestClassifier(5, random_state=0).fit(GAPS.to_numpy(float), CLASSES),
        GAPS.to_numpy(float),
    )


def test_frame_of_float32(agree):
    frame = GAPS.astype(np.float32)
    agree(RandomForestRegressor(5, random_state=0).fit(frame, SIGNAL), frame)


@pytest.mark.parametrize("size", [1e39, -1e300, 3.4028235677973366e38])
def test_values_beyond_float32_are_refused(size):
    fitted = DecisionTreeRegressor(max_depth=3).fit(FULL, SIGNAL)
    scorer = Scorer(convert(fitted, Training.of(FULL, fitted)))
    frame = FULL.assign(large=[1.0] * (ROWS - 1) + [size])
    with pytest.raises(ScoringError, match=r"'large' is .* of up to 3.403e.38 only"):
        scorer.score(Training.of(frame).table)
    scorer.score(Training.of(FULL.assign(large=np.nextafter(abs(size), 0) % 3.5e38)).table)


def test_splits_of_large_integers_are_refused():
    frame = pd.DataFrame({"id": np.arange(ROWS) * 2**50})
    fitted = DecisionTreeRegressor().fit(frame, SIGNAL)
    assert "'id' is split at an integer beyond 2**53" in reason_to_refuse(fitted, frame)
    fitted = DecisionTreeRegressor(max_depth=3).fit(frame // 2**50, SIGNAL)
    convert(fitted, Training.of(frame // 2**50, fitted))


# --- forests --------------------------------------------------------------------------------------

FORESTS = {
    "random regressor": (RandomForestRegressor, SIGNAL),
    "random classifier": (RandomForestClassifier, CLASSES),
    "random binary": (RandomForestClassifier, BINARY),
    "extra regressor": (ExtraTreesRegressor, SIGNAL),
    "extra classifier": (ExtraTreesClassifier, CLASSES),
    "extra binary": (ExtraTreesClassifier, BINARY),
}


@pytest.mark.parametrize("name", FORESTS)
@pytest.mark.parametrize("frame", [GAPS, FULL], ids=["gaps", "full"])
def test_forest(name, frame, agree):
    kind, target = FORESTS[name]
    agree(kind(12, random_state=0).fit(frame, target), frame)


@pytest.mark.parametrize("name", FORESTS)
def test_forest_of_small_trees(name, agree):
    kind, target = FORESTS[name]
    agree(kind(40, max_leaf_nodes=9, random_state=0).fit(GAPS, target), GAPS)


@pytest.mark.parametrize("name", ["random regressor", "random binary", "random classifier"])
def test_forest_in_the_wide_gate(name, agree):
    kind, target = FORESTS[name]
    fitted = kind(30, random_state=0, n_jobs=2).fit(GAPS, target)
    assert agree(fitted, GAPS, rows=WIDE_GATE, routes=tuple(ROUTES)).outputs.margins


def test_deep_trees_are_walked(agree):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3_000, 3)), columns=list("abc"))
    fitted = RandomForestRegressor(4, random_state=0).fit(frame, rng.normal(size=3_000))
    assert leaf_ranges(trees_of(agree(fitted, frame))).most_leaves > 1_000


def test_forest_options(agree):
    options = {"max_samples": 0.5, "max_features": 2, "oob_score": True, "ccp_alpha": 1e-3}
    fitted = RandomForestClassifier(30, random_state=0, class_weight="balanced_subsample")
    agree(fitted.set_params(**options).fit(GAPS, CLASSES, WEIGHT), GAPS)


def test_forest_that_was_grown_twice(agree):
    fitted = RandomForestRegressor(3, warm_start=True, random_state=0).fit(GAPS, SIGNAL)
    agree(fitted.set_params(n_estimators=7).fit(GAPS, SIGNAL), GAPS)


def test_pipeline(agree):
    fitted = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0))
    agree(fitted.fit(GAPS, CLASSES), GAPS)


@pytest.mark.parametrize("threshold", [0.0, 1.0], ids=["array", "sparse matrix"])
def test_pipeline_with_categories(threshold, agree):
    frame = FULL.assign(text=np.array(["a", "b", "É", ""])[LEVEL])
    columns = ColumnTransformer(
        [("hot", OneHotEncoder(handle_unknown="ignore"), ["text"])],
        remainder="passthrough",
        sparse_threshold=threshold,
    )
    fitted = make_pipeline(columns, RandomForestRegressor(5, random_state=0)).fit(frame, SIGNAL)
    model = agree(fitted, frame)
    gaps = Training.of(frame.assign(plain=np.nan)).table
    if threshold:
        with pytest.raises(ScoringError, match="'plain' is NULL"):
            Scorer(model).score(gaps)
    else:
        Scorer(model).score(gaps)


# --- gradient boosting ----------------------------------------------------------------------------

REGRESSION_LOSSES = ["squared_error", "absolute_error", "huber", "quantile"]


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_boosting_regressor(loss, agree):
    model = GradientBoostingRegressor(loss=loss, n_estimators=20, random_state=0)
    agree(model.fit(FULL, SIGNAL), FULL)


@pytest.mark.parametrize(
    ("loss", "target"),
    [("log_loss", BINARY), ("log_loss", CLASSES), ("exponential", BINARY)],
    ids=["two classes", "four classes", "exponential"],
)
def test_boosting_classifier(loss, target, agree):
    model = GradientBoostingClassifier(loss=loss, n_estimators=20, random_state=0)
    agree(model.fit(FULL, target), FULL, routes=tuple(ROUTES))


BOOSTING_OPTIONS = {
    "rate": {"learning_rate": 0.7},
    "sampled": {"subsample": 0.5, "max_features": 2},
    "stopped": {"n_iter_no_change": 2, "n_estimators": 200, "learning_rate": 1.0},
    "deep": {"max_depth": None, "n_estimators": 4},
    "stumps": {"max_depth": 1},
    "leaves": {"max_leaf_nodes": 5},
    "pruned": {"ccp_alpha": 0.1},
    "from zero": {"init": "zero"},
}


@pytest.mark.parametrize("name", BOOSTING_OPTIONS)
def test_boosting_option(name, agree):
    options = {"n_estimators": 15, "random_state": 0} | BOOSTING_OPTIONS[name]
    agree(GradientBoostingRegressor(**options).fit(FULL, SIGNAL, WEIGHT), FULL)
    agree(GradientBoostingClassifier(**options).fit(FULL, CLASSES, WEIGHT), FULL)


@pytest.mark.parametrize("strategy", ["prior", "most_frequent", "constant"])
def test_constant_start_of_a_classifier(strategy, agree):
    initial = DummyClassifier(strategy=strategy, constant=1)
    model = GradientBoostingClassifier(init=initial, n_estimators=5, random_state=0)
    agree(model.fit(FULL, CLASSES), FULL)


@pytest.mark.parametrize("strategy", ["mean", "median", "quantile", "constant"])
def test_constant_start_of_a_regressor(strategy, agree):
    initial = DummyRegressor(strategy=strategy, quantile=0.3, constant=-3.25)
    model = GradientBoostingRegressor(init=initial, n_estimators=5, random_state=0)
    agree(model.fit(FULL, SIGNAL), FULL)


@pytest.mark.parametrize(
    ("kind", "initial"),
    [
        (GradientBoostingRegressor, LinearRegression()),
        (GradientBoostingClassifier, DummyClassifier(strategy="stratified")),
    ],
)
def test_start_that_differs_by_row_is_refused(kind, initial):
    fitted = kind(init=initial, n_estimators=3).fit(FULL, BINARY)
    assert "its init estimator, " in reason_to_refuse(fitted, FULL)


def test_a_score_of_zero_is_the_second_class(agree):
    frame = pd.DataFrame({"x": [0.0, 1.0] * 20})
    model = GradientBoostingClassifier(init="zero", n_estimators=1)
    agree(model.fit(frame, np.array([0, 0, 1, 1] * 10)), frame)


# --- histogram gradient boosting ------------------------------------------------------------------

CATEGORIES = GAPS.assign(
    text=pd.Categorical(np.array(["a", "B", "É", ""])[LEVEL]),
    number=pd.Categorical(GAPS["whole"].where(GAPS["whole"] > -4)),
    carrier=pd.Categorical(GAPS["whole"].astype(str).mask(GAPS["gaps"] > 1)),
)[["plain", "text", "gaps", "number", "large", "carrier", "flag"]]
HISTOGRAM_LOSSES = {
    "squared_error": {},
    "absolute_error": {},
    "quantile": {"quantile": 0.8},
    "poisson": {},
    "gamma": {},
}


@pytest.mark.parametrize("loss", HISTOGRAM_LOSSES)
@pytest.mark.parametrize("frame", [GAPS, CATEGORIES], ids=["numbers", "categories"])
def test_histogram_regressor(loss, frame, agree):
    options = {"max_iter": 15, "random_state": 0, **HISTOGRAM_LOSSES[loss]}
    model = HistGradientBoostingRegressor(loss=loss, **options)
    agree(model.fit(frame, POSITIVE), frame)


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two classes", "four classes"])
@pytest.mark.parametrize("frame", [GAPS, FULL, CATEGORIES], ids=["gaps", "full", "categories"])
def test_histogram_classifier(target, frame, agree):
    model = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    agree(model.fit(frame, target), frame)


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two classes", "four classes"])
def test_histogram_classifier_in_the_wide_gate(target, agree):
    model = HistGradientBoostingClassifier(max_iter=15, random_state=0).fit(CATEGORIES, target)
    agree(model, CATEGORIES, rows=WIDE_GATE, routes=tuple(ROUTES))


HISTOGRAM_OPTIONS = {
    "stumps": {"max_depth": 1},
    "few bins": {"max_bins": 13},
    "stopped": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 100},
    "constrained": {"interaction_cst": "pairwise"},
    "deep": {"max_leaf_nodes": None, "min_samples_leaf": 1, "max_iter": 3},
    "one leaf": {"min_samples_leaf": ROWS},
    "balanced": {"class_weight": "balanced"},
    "smoothed": {"l2_regularization": 3.0, "max_features": 0.5},
}


@pytest.mark.parametrize("name", HISTOGRAM_OPTIONS)
def test_histogram_option(name, agree):
    options = {"max_iter": 10, "random_state": 0} | HISTOGRAM_OPTIONS[name]
    model = HistGradientBoostingClassifier(**options)
    agree(model.fit(CATEGORIES, CLASSES, WEIGHT), CATEGORIES)


def test_histogram_with_monotonic_constraints(agree):
    model = HistGradientBoostingClassifier(max_iter=10, monotonic_cst={"plain": 1, "large": -1})
    agree(model.fit(CATEGORIES, BINARY), CATEGORIES)


@pytest.mark.parametrize("columns", [["whole", "flag"], [2, 5], [True] + [False] * 6])
def test_categories_among_numbers(columns, agree):
    frame = GAPS.assign(plain=GAPS["plain"].round()).fillna({"gaps": 0.5})
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features=columns)
    agree(model.fit(frame, SIGNAL), frame)


def test_categories_of_an_array(agree):
    values = GAPS[["plain", "gaps", "whole", "flag"]].to_numpy(float)
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features=[2])
    agree(model.fit(values, SIGNAL), values)


def test_only_categories(agree):
    frame = CATEGORIES[["text", "carrier"]]
    agree(HistGradientBoostingRegressor(max_iter=10).fit(frame, SIGNAL), frame)


def test_infinite_values_are_split(agree, quietly):
    frame = GAPS.assign(plain=GAPS["plain"].where(GAPS["whole"] > -3, np.inf))
    model = HistGradientBoostingRegressor(max_iter=10)
    agree(quietly(lambda: model.fit(frame, SIGNAL)), frame)


# --- ensembles of other estimators ----------------------------------------------------------------


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two classes", "four classes"])
@pytest.mark.parametrize("depth", [1, 4])
def test_adaptive_boosting(target, depth, agree):
    base = DecisionTreeClassifier(max_depth=depth)
    model = AdaBoostClassifier(base, n_estimators=10, learning_rate=0.7, random_state=0)
    agree(model.fit(FULL, target), FULL)


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two classes", "four classes"])
def test_bagging_classifier(target, agree):
    options = {"max_features": 3, "bootstrap_features": True, "random_state": 0, "n_jobs": 2}
    base = DecisionTreeClassifier(max_depth=6)
    agree(BaggingClassifier(base, 8, **options).fit(GAPS, target), GAPS)


def test_bagging_regressor(agree):
    base = ExtraTreeRegressor(max_depth=6)
    model = BaggingRegressor(base, 8, max_features=2, max_samples=0.5, random_state=0)
    agree(model.fit(GAPS, SIGNAL), GAPS)


CLASSIFIERS = [
    ("tree", DecisionTreeClassifier(max_depth=5, random_state=0)),
    ("forest", RandomForestClassifier(3, max_depth=6, random_state=0)),
    ("line", make_pipeline(StandardScaler(), LogisticRegression())),
]


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("weights", [None, [1, 0.3, 2]], ids=["equal", "weighted"])
def test_voting_classifier(voting, weights, agree):
    model = VotingClassifier(CLASSIFIERS, voting=voting, weights=weights).fit(FULL, CLASSES)
    assert bool(agree(model, FULL).outputs.probabilities) is (voting == "soft")


@pytest.mark.parametrize("weights", [None, [0.1, 0.2]], ids=["equal", "weighted"])
def test_voting_regressor(weights, agree):
    members = [
        ("tree", DecisionTreeRegressor(max_depth=6, random_state=0)),
        ("boosted", GradientBoostingRegressor(n_estimators=5, random_state=0)),
    ]
    agree(VotingRegressor(members, weights=weights).fit(FULL, SIGNAL), FULL)


# --- explanations ---------------------------------------------------------------------------------

EXPLAINED = [
    (RandomForestRegressor(8, max_depth=6, random_state=0), SIGNAL),
    (RandomForestClassifier(8, max_depth=6, random_state=0), BINARY),
    (RandomForestClassifier(8, max_depth=6, random_state=0), CLASSES),
    (GradientBoostingRegressor(n_estimators=8, random_state=0), SIGNAL),
    (GradientBoostingClassifier(n_estimators=8, random_state=0), CLASSES),
    (HistGradientBoostingRegressor(loss="poisson", max_iter=8), POSITIVE),
    (HistGradientBoostingClassifier(max_iter=8), CLASSES),
]


@pytest.mark.parametrize(("estimator", "target"), EXPLAINED)
def test_contributions_sum_to_the_score(estimator, target):
    fitted = estimator.fit(FULL, target)
    model = convert(fitted, Training.of(FULL, fitted))
    scorer = Scorer(model)
    frame = scorer.decoder.decode(Training.of(FULL).table)
    explanation = explain(scorer, frame)
    margins = scorer.score_frame(frame).margins
    total = explanation.base[:, None] + explanation.contributions.sum(axis=1)
    np.testing.assert_allclose(total.T, margins, rtol=1e-9, atol=1e-9)


# --- refusals -------------------------------------------------------------------------------------


def test_several_labels_are_refused():
    labels = np.stack([BINARY, LEVEL], axis=1).astype(int)
    for kind in (DecisionTreeClassifier, RandomForestClassifier):
        assert "2 labels at once" in reason_to_refuse(kind(max_depth=2).fit(FULL, labels), FULL)


@pytest.mark.parametrize(
    "kind", [DecisionTreeClassifier, RandomForestClassifier, HistGradientBoostingClassifier]
)
def test_a_single_class_is_refused(kind):
    fitted = kind().fit(FULL, np.zeros(ROWS, int))
    assert "a single class, 0" in reason_to_refuse(fitted, FULL)


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table in (tree.PREDICTORS, ensemble.PREDICTORS) for name in table],
)
def test_estimators_that_were_never_fitted(table, name):
    import sklearn.ensemble
    import sklearn.tree

    module = sklearn.tree if table is tree.PREDICTORS else sklearn.ensemble
    options = {"estimators": []} if name.startswith(("Voting", "Stacking")) else {}
    assert "it is not fitted" in reason_to_refuse(getattr(module, name)(**options), FULL)
