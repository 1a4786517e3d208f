"""scikit-learn's strategies for many classes against their translations."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

from foresql import UnsupportedModelError
from foresql.frontends import Training, convert

ROWS = 300
RNG = np.random.default_rng(21)
FRAME = pd.DataFrame(
    {
        "plain": RNG.normal(size=ROWS),
        "tied": RNG.choice([0.1, 0.2, 0.3, -0.0], ROWS),
        "whole": RNG.integers(-6, 7, ROWS),
    }
)
SIGNAL = (FRAME["plain"] * 2 + FRAME["whole"] * FRAME["tied"]).to_numpy() + RNG.normal(size=ROWS)
TARGETS = {
    "two texts": np.where(SIGNAL > 0, "late", "on time"),
    "flags": SIGNAL > 0,
    "three": np.array([40, -7, 3])[np.digitize(SIGNAL, np.quantile(SIGNAL, [0.4, 0.8]))],
    "five": np.array(list("abcdé"))[np.digitize(SIGNAL, [-3, -1, 1, 3])],
}
PROBES = 500

TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
FOREST = RandomForestClassifier(3, max_depth=4, random_state=0)
BOOSTED = GradientBoostingClassifier(n_estimators=3)
LINEAR = LogisticRegression()
CLASSIFIERS = {
    "tree": TREE,
    "forest": FOREST,
    "boosted": BOOSTED,
    "linear": LINEAR,
    "perceptron": Perceptron(),
}


def reason_to_refuse(estimator, frame=FRAME) -> str:
    with pytest.raises(UnsupportedModelError) as refusal:
        convert(estimator, Training.of(frame, estimator))
    return str(refusal.value)


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier])
@pytest.mark.parametrize("base", CLASSIFIERS)
@pytest.mark.parametrize("target", TARGETS)
def test_strategies(kind, base, target, agree):
    agree(kind(CLASSIFIERS[base]).fit(FRAME, TARGETS[target]), FRAME, rows=PROBES)


@pytest.mark.parametrize("base", [LinearRegression(), DecisionTreeRegressor(max_depth=3)])
@pytest.mark.parametrize("target", TARGETS)
def test_regressors_against_the_rest(base, target, agree):
    model = OneVsRestClassifier(base).fit(FRAME, TARGETS[target])
    assert not agree(model, FRAME, rows=PROBES).outputs.probabilities


def test_rows_that_no_class_claims_keep_zeros(agree):
    frame = FRAME.sample(ROWS, replace=True, random_state=0)
    model = OneVsRestClassifier(DecisionTreeClassifier()).fit(frame, TARGETS["five"][frame.index])
    assert (model.predict_proba(FRAME).sum(axis=1) == 0).any()
    agree(model, FRAME, rows=PROBES, routes=("kernel", "reloaded", "duckdb"))


def test_shares_of_what_is_almost_nothing(agree):
    model = OneVsRestClassifier(LINEAR).fit(FRAME, TARGETS["three"])
    for member in model.estimators_:
        member.intercept_ = member.intercept_ - 45.0
    assert (model.predict_proba(FRAME).sum(axis=1) > 0.9).all()
    agree(model, FRAME, rows=PROBES)


def test_text_columns_inside(agree):
    frame = FRAME.assign(city=RNG.choice(["Ö", "b", "c d"], ROWS))
    encoder = OneHotEncoder(sparse_output=False)
    before = make_column_transformer((encoder, ["city"]), (StandardScaler(), ["plain", "whole"]))
    model = OneVsRestClassifier(make_pipeline(before, LINEAR)).fit(frame, TARGETS["three"])
    agree(model, frame, rows=PROBES)


def test_strategies_behind_text_columns(agree):
    frame = FRAME.assign(city=RNG.choice(["Ö", "b", "c d"], ROWS))
    encoder = OneHotEncoder(sparse_output=False)
    before = make_column_transformer((encoder, ["city"]), remainder="passthrough")
    model = make_pipeline(before, OneVsOneClassifier(TREE)).fit(frame, TARGETS["five"])
    agree(model, frame, rows=PROBES)


def test_several_labels_are_refused():
    labels = np.stack([SIGNAL > 0, SIGNAL > 1], axis=1).astype(int)
    model = OneVsRestClassifier(LINEAR).fit(FRAME, labels)
    assert "publish each of model.estimators_" in reason_to_refuse(model)


def test_kernel_matrices_are_refused():
    kernel = pd.DataFrame(FRAME.to_numpy() @ FRAME.to_numpy().T).add_prefix("k")
    model = OneVsOneClassifier(SVC(kernel="precomputed")).fit(kernel, TARGETS["three"])
    assert "kernel matrix" in reason_to_refuse(model, kernel)


def test_pairs_of_regressors_are_refused():
    model = OneVsOneClassifier(DecisionTreeRegressor()).fit(FRAME, TARGETS["three"])
    assert "use a classifier" in reason_to_refuse(model)


def test_shares_in_float32_are_refused():
    model = OneVsRestClassifier(XGBClassifier(n_estimators=2)).fit(FRAME, TARGETS["three"])
    assert "predict in float32" in reason_to_refuse(model)


def test_pairs_in_float32(agree):
    model = OneVsOneClassifier(XGBClassifier(n_estimators=2)).fit(FRAME, TARGETS["three"])
    agree(model, FRAME, rows=PROBES)


@pytest.mark.parametrize("member", [TREE, LINEAR])
@pytest.mark.parametrize("size", [0.7, 1.5, 4])
def test_code_books(member, size, agree):
    model = OutputCodeClassifier(member, random_state=0, code_size=size)
    agree(model.fit(FRAME, TARGETS["three"]), FRAME, rows=PROBES, ties=PROBES)


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier])
def test_strategies_that_were_never_fitted(kind):
    assert "it is not fitted" in reason_to_refuse(kind(LINEAR))
