import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LocalOutlierFactor,
    NeighborhoodComponentsAnalysis,
    RadiusNeighborsClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

ROWS = 120
PROBES = 120
BOTH = ("kernel", "reloaded")
RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "stops": RNG.integers(0, 4, ROWS),
        "late": RNG.random(ROWS) < 0.4,
        "rounded": RNG.normal(size=ROWS).round(1),
    }
)
GRID = pd.DataFrame(RNG.integers(0, 4, (ROWS, 3)), columns=["a", "b", "c"])
"""Nearly every row is equally near to many others, and many are there twice."""
NUMBER = (FRAME["x"] + FRAME["stops"] + RNG.normal(size=ROWS)).to_numpy()
THREE = np.array(["late", "é", "on time"])[np.digitize(NUMBER, [0.5, 2.0])]


@pytest.mark.parametrize("frame", [FRAME, GRID, GRID[["a"]]], ids=["mixed", "grid", "one column"])
@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        KNeighborsClassifier(1),
        KNeighborsClassifier(4, weights="distance"),
        KNeighborsClassifier(20, weights="distance", p=1, leaf_size=3),
        KNeighborsClassifier(33, metric="chebyshev", weights=None),
    ],
    ids=str,
)
def test_classifiers_of_three_texts(estimator, frame, agree):
    agree(estimator.fit(frame, THREE), frame, rows=PROBES, routes=BOTH)


@pytest.mark.parametrize("frame", [FRAME, GRID], ids=["mixed", "grid"])
@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsRegressor(),
        KNeighborsRegressor(20, algorithm="kd_tree", leaf_size=1),
        KNeighborsRegressor(7, weights="distance", metric="l1"),
        KNeighborsRegressor(18, weights="distance"),
        KNeighborsRegressor(ROWS, algorithm="kd_tree"),
    ],
    ids=str,
)
def test_regressors_are_exact_to_the_bit(estimator, frame, agree):
    model = agree(estimator.fit(frame, NUMBER), frame, rows=PROBES, routes=BOTH)
    ours = Scorer(model).score(Training.of(frame, estimator).table).prediction[:, 0]
    assert ours.tobytes() == estimator.predict(frame).tobytes()


@pytest.mark.parametrize("labels", [NUMBER > 0, np.where(NUMBER > 0, 7, -3)], ids=["bool", "int"])
def test_two_classes(labels, agree):
    agree(KNeighborsClassifier(3).fit(FRAME, labels), FRAME, rows=PROBES, routes=("duckdb",))


def test_several_targets(agree):
    targets = np.stack([NUMBER, NUMBER.round().astype(int)], axis=1)
    for weights in ("uniform", "distance"):
        agree(KNeighborsRegressor(9, weights=weights).fit(FRAME, targets), FRAME, rows=PROBES)


def test_whole_targets(agree):
    agree(KNeighborsRegressor(3).fit(FRAME, NUMBER.round().astype(int)), FRAME, rows=PROBES)


def test_a_pipeline(agree):
    frame = FRAME.assign(city=RNG.choice(["ATL", "bos", "Ö"], ROWS))
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    columns = make_column_transformer((StandardScaler(), ["x", "stops"]), (encoder, ["city"]))
    agree(make_pipeline(columns, KNeighborsClassifier(6)).fit(frame, THREE), frame, rows=PROBES)


def test_equal_votes_go_to_the_first_class(agree):
    frame = pd.DataFrame({"x": np.repeat(np.arange(20.0), 2)})
    labels = np.tile(["b", "a"], 20)
    model = agree(KNeighborsClassifier(2).fit(frame, labels), frame, rows=PROBES)
    scores = Scorer(model).score(Training.of(frame).table)
    assert set(scores.prediction[:, 0]) == {0.0}
    assert set(scores.probabilities[:, 0]) == {0.5}


def test_rows_too_far_to_weigh_anything_are_refused():
    estimator = KNeighborsClassifier(3, weights="distance").fit(FRAME[["x"]], THREE)
    far = pd.DataFrame({"x": [1e300]})
    with pytest.raises(ValueError, match="zero weights"):
        estimator.predict(far)
    scorer = Scorer(convert(estimator, Training.of(FRAME[["x"]], estimator)))
    with pytest.raises(ScoringError, match=r"infinitely far .* KNeighborsClassifier was fitted"):
        scorer.score(Training.of(far).table)


@pytest.mark.parametrize("value", [None, np.inf])
def test_rows_that_are_refused(value):
    estimator = KNeighborsClassifier().fit(FRAME[["x"]], THREE)
    scorer = Scorer(convert(estimator, Training.of(FRAME[["x"]], estimator)))
    with pytest.raises(ScoringError, match="KNeighborsClassifier accepts"):
        scorer.score(Training.of(pd.DataFrame({"x": [value]}, dtype=float)).table)


def test_components(agree, quietly):
    analysis = NeighborhoodComponentsAnalysis(2, max_iter=3, random_state=0)
    pipeline = make_pipeline(analysis, LogisticRegression())
    agree(quietly(lambda: pipeline.fit(FRAME, THREE)), FRAME, rows=PROBES)


REFUSED = [
    (KNeighborsClassifier(algorithm="brute"), THREE, "matrix product"),
    (KNeighborsClassifier(ROWS // 2), THREE, "fit with algorithm='kd_tree'"),
    (KNeighborsClassifier(algorithm="ball_tree"), THREE, "ball tree"),
    (KNeighborsClassifier(p=3), THREE, "metric 'minkowski' has no exact translation"),
    (KNeighborsClassifier(metric="canberra"), THREE, "metric 'canberra'"),
    (KNeighborsClassifier(weights=lambda d: d), THREE, "weights are a function"),
    (KNeighborsClassifier(), np.stack([THREE, THREE], axis=1), "several labels for a row"),
    (KNeighborsRegressor(), NUMBER.astype(np.float32), "targets are float32"),
    (RadiusNeighborsClassifier(100.0), THREE, "on the very radius"),
    (LocalOutlierFactor(novelty=True), None, "around each of its neighbours"),
    (make_pipeline(PCA(2), KNeighborsClassifier()), THREE, "a sum of products"),
    (make_pipeline(KNNImputer(), LogisticRegression()), THREE, "a matrix product"),
    (
        make_pipeline(KNeighborsTransformer(), KNeighborsClassifier(metric="precomputed")),
        THREE,
        "a sparse column for each row",
    ),
]


@pytest.mark.parametrize(
    ("estimator", "target", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED]
)
def test_what_is_refused(estimator, target, reason, quietly):
    quietly(lambda: estimator.fit(FRAME, target))
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(estimator, Training.of(FRAME, estimator))


def test_an_estimator_that_is_not_fitted():
    with pytest.raises(UnsupportedModelError, match="it is not fitted"):
        convert(KNeighborsRegressor(), Training.of(FRAME))
