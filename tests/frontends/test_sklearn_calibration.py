"""scikit-learn's calibrated classifiers and isotonic regression against their translations."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from foresql import ScoringError, UnsupportedModelError, certify
from foresql.frontends import Training, convert
from foresql.ir import steps as s
from foresql.kernels import Scorer

ROWS = 300
RNG = np.random.default_rng(8)
FRAME = pd.DataFrame(
    {
        "plain": RNG.normal(size=ROWS),
        "tied": RNG.choice([0.1, 0.2, 0.3, -0.0], ROWS),
        "whole": RNG.integers(-6, 7, ROWS),
    }
)
SIGNAL = (FRAME["plain"] * 2 + FRAME["whole"] * FRAME["tied"]).to_numpy() + RNG.normal(size=ROWS)
TWO = np.where(SIGNAL > 0, "late", "on time")
LEVEL = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.4, 0.8]))
THREE = np.array([40, -7, 3])[LEVEL]
MANY = np.digitize(SIGNAL, np.quantile(SIGNAL, np.linspace(0.1, 0.9, 8)))
PROBES = 500
STEEPEST = 1e-9
"""The largest difference that a rounding before a steep line may make."""

FOREST = RandomForestClassifier(4, max_depth=4, random_state=0)
BOOSTED = GradientBoostingClassifier(n_estimators=3, random_state=0)
LINEAR = LogisticRegression()
METHODS = ["sigmoid", "isotonic", "temperature"]


def reason_to_refuse(estimator, frame=FRAME) -> str:
    with pytest.raises(UnsupportedModelError) as refusal:
        convert(estimator, Training.of(frame, estimator))
    return str(refusal.value)


def certified(model, frame=FRAME):
    """Hold a model in the gate alone: lines may be so steep that a rounding is more than one."""
    training = Training.of(frame, model)
    converted = convert(model, training)
    certificate = certify(converted, model, training, rows=PROBES, routes=("kernel", "reloaded"))
    assert certificate.labels_identical
    assert certificate.largest_difference < STEEPEST
    return converted


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("base", [FOREST, BOOSTED], ids=["probabilities", "scores"])
@pytest.mark.parametrize("target", [SIGNAL > 0, LEVEL], ids=["2", "3"])
def test_calibrated_trees(method, ensemble, base, target, agree):
    model = CalibratedClassifierCV(base, method=method, cv=2, ensemble=ensemble)
    agree(model.fit(FRAME, target), FRAME, rows=PROBES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("base", [LINEAR, RidgeClassifier()])
@pytest.mark.parametrize("target", [SIGNAL > 0, LEVEL], ids=["2", "3"])
def test_calibrated_linear_models(method, ensemble, base, target):
    model = CalibratedClassifierCV(base, method=method, cv=2, ensemble=ensemble)
    certified(model.fit(FRAME, target))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("target", [TWO, THREE], ids=["text", "integers"])
def test_labels(method, target, agree):
    model = CalibratedClassifierCV(FOREST, method=method, cv=2)
    agree(model.fit(FRAME, target), FRAME, rows=PROBES)


@pytest.mark.parametrize("method", METHODS)
def test_calibrated_trees_in_sql(method, agree):
    model = CalibratedClassifierCV(FOREST, method=method, cv=3).fit(FRAME, LEVEL)
    converted = agree(model, FRAME, rows=2000, routes=("kernel", "reloaded", "duckdb"))
    assert not any(isinstance(step, s.Dot) for step in converted.steps)


@pytest.mark.parametrize("method", METHODS)
def test_nine_classes(method, agree):
    model = CalibratedClassifierCV(FOREST, method=method, cv=2).fit(FRAME, MANY)
    agree(model, FRAME, rows=PROBES)


def test_a_row_without_any_probability_gives_equal_shares(agree):
    frame = pd.DataFrame({"x": np.arange(60.0)})
    target = np.arange(60) // 20
    model = CalibratedClassifierCV(
        DecisionTreeClassifier(max_depth=1, random_state=0), method="isotonic", cv=2
    )
    agree(model.fit(frame, target), frame, rows=PROBES)
    for member in model.calibrated_classifiers_:
        for calibrator in member.calibrators:
            calibrator.y_thresholds_ = np.zeros_like(calibrator.y_thresholds_)
            calibrator.__setstate__(calibrator.__getstate__())
    assert (model.predict_proba(frame) == 1 / 3).all()
    agree(model, frame, rows=PROBES)


@pytest.mark.parametrize("target", [TWO, LEVEL], ids=["2", "3"])
def test_a_probability_of_a_rounding_above_1_is_1(target, agree):
    base = DecisionTreeClassifier(max_depth=2, random_state=0)
    model = CalibratedClassifierCV(base, method="isotonic", cv=2).fit(FRAME, target)
    for member in model.calibrated_classifiers_:
        for calibrator in member.calibrators:
            calibrator.y_thresholds_[-1] = 1.000_005
            calibrator.__setstate__(calibrator.__getstate__())
    agree(model, FRAME, rows=PROBES)


@pytest.mark.parametrize("method", METHODS)
def test_calibrated_frozen_classifier(method):
    frozen = FrozenEstimator(make_pipeline(StandardScaler(), LINEAR).fit(FRAME, LEVEL))
    certified(CalibratedClassifierCV(frozen, method=method).fit(FRAME[:150], LEVEL[:150]))


@pytest.mark.parametrize("base", [Perceptron(), BaggingClassifier(LINEAR, 2, random_state=0)])
def test_calibrated_scores_of_other_classifiers(base):
    certified(CalibratedClassifierCV(base, method="isotonic", cv=2).fit(FRAME, TWO))


def test_calibration_behind_text_columns(agree):
    frame = FRAME.assign(city=RNG.choice(["Ö", "b", "c d"], ROWS))
    encoder = OneHotEncoder(sparse_output=False)
    before = make_column_transformer((encoder, ["city"]), (StandardScaler(), ["plain", "whole"]))
    inside = CalibratedClassifierCV(make_pipeline(before, LINEAR), method="isotonic", cv=2)
    certified(inside.fit(frame, THREE), frame)
    behind = make_pipeline(before, CalibratedClassifierCV(FOREST, cv=2))
    agree(behind.fit(frame, TWO), frame, rows=PROBES)


def test_calibration_in_a_stack(agree):
    members = [("a", CalibratedClassifierCV(FOREST, method="isotonic", cv=2)), ("b", LINEAR)]
    agree(StackingClassifier(members, LINEAR, cv=2).fit(FRAME, THREE), FRAME, rows=PROBES)


def test_sigmoid_of_xgboost(agree):
    model = CalibratedClassifierCV(XGBClassifier(n_estimators=3, max_depth=3), cv=2)
    agree(model.fit(FRAME, SIGNAL > 0), FRAME, rows=PROBES)


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
def test_other_calibrations_of_xgboost_are_refused(method):
    base = XGBClassifier(n_estimators=3, max_depth=3)
    model = CalibratedClassifierCV(base, method=method, cv=2).fit(FRAME, SIGNAL > 0)
    assert "predict in float32" in reason_to_refuse(model)


def test_a_fold_without_a_class_is_refused(quietly):
    rare = np.where(np.arange(ROWS) < 20, 3, LEVEL)
    folds = [(np.arange(20, ROWS), np.arange(100)), (np.arange(100), np.arange(100, ROWS))]
    model = CalibratedClassifierCV(FOREST, cv=folds)
    quietly(lambda: model.fit(FRAME, rare))
    assert "saw no row of some class" in reason_to_refuse(model)


def test_calibration_that_was_never_fitted():
    assert "it is not fitted" in reason_to_refuse(CalibratedClassifierCV(FOREST))


X = FRAME[["plain"]]


@pytest.mark.parametrize("bounds", ["nan", "clip"])
@pytest.mark.parametrize(
    "options", [{}, {"increasing": False}, {"increasing": "auto"}, {"y_min": -0.5, "y_max": 0.5}]
)
def test_isotonic_regression(bounds, options, agree):
    model = IsotonicRegression(out_of_bounds=bounds, **options).fit(X, SIGNAL)
    agree(model, X, rows=PROBES, routes=("kernel", "reloaded"))


@pytest.mark.parametrize("column", ["tied", "whole"])
def test_isotonic_regression_of_repeated_values(column, agree):
    model = IsotonicRegression(out_of_bounds="clip").fit(FRAME[[column]], SIGNAL)
    agree(model, FRAME[[column]], rows=PROBES)


@pytest.mark.parametrize("bounds", ["nan", "clip", "raise"])
def test_isotonic_regression_of_one_value(bounds, agree):
    frame = pd.DataFrame({"x": np.full(5, 0.3)})
    agree(IsotonicRegression(out_of_bounds=bounds).fit(frame, np.arange(5.0)), frame, rows=PROBES)


@pytest.mark.parametrize("bounds", ["nan", "clip"])
def test_isotonic_regression_behind_a_scaler(bounds, agree):
    model = make_pipeline(StandardScaler(), IsotonicRegression(out_of_bounds=bounds))
    agree(model.fit(X, SIGNAL), X, rows=PROBES)


def test_isotonic_regression_refuses_rows_that_the_library_refuses():
    model = IsotonicRegression().fit(X, SIGNAL)
    scorer = Scorer(convert(model, Training.of(X, model)))
    for odd in (np.nan, np.inf):
        table = Training.of(pd.DataFrame({"plain": [0.0, odd]}), model).table
        with pytest.raises(ScoringError, match="plain"):
            scorer.score(table)


def test_isotonic_regression_options_that_are_refused():
    raising = IsotonicRegression(out_of_bounds="raise").fit(X, SIGNAL)
    assert "out_of_bounds='nan' or 'clip'" in reason_to_refuse(raising, X)
    narrow = IsotonicRegression().fit(X.astype(np.float32), SIGNAL)
    assert "fitted in float32" in reason_to_refuse(narrow, X)
    assert "it is not fitted" in reason_to_refuse(IsotonicRegression(), X)


def test_an_edge_behind_a_dot_product_is_refused():
    model = make_pipeline(PCA(1), IsotonicRegression()).fit(FRAME, SIGNAL)
    assert "becomes missing" in reason_to_refuse(model)
    clipped = make_pipeline(PCA(1), IsotonicRegression(out_of_bounds="clip"))
    assert convert(clipped.fit(FRAME, SIGNAL), Training.of(FRAME, clipped)).steps


def test_a_jump_behind_a_dot_product_is_refused():
    model = CalibratedClassifierCV(LINEAR, method="isotonic", cv=2).fit(FRAME, TWO)
    line = model.calibrated_classifiers_[1].calibrators[0]
    step = int(np.argmax(np.diff(line.y_thresholds_)))
    line.X_thresholds_[step + 1] = np.nextafter(line.X_thresholds_[step], np.inf)
    assert "a line jumps" in reason_to_refuse(model)


@pytest.mark.parametrize("ensemble", [True, False])
# No integers such as -7 and 9: scikit-learn 1.9 takes them for places in memory, also where that is
# outside of its arrays, and fits what it finds there.
@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"]])
def test_temperature_of_labels_that_are_no_places(labels, ensemble, agree):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 2)), columns=["a", "b"])
    target = np.array(labels)[np.arange(120) % len(labels)]
    model = CalibratedClassifierCV(
        LogisticRegression(), method="temperature", cv=2, ensemble=ensemble
    )
    agree(model.fit(frame, target), frame, rows=120)
