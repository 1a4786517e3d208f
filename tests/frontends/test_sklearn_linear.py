import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    PassiveAggressiveClassifier,
    PassiveAggressiveRegressor,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils.extmath import softmax

from foresql import CertificationError, certify
from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert

ROWS = 300
PROBES = 1000
KERNEL = ("kernel", "reloaded")

RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "air time": RNG.normal(0.0, 2.0, ROWS),
        "dep.delay": RNG.gamma(2.0, 1.0, ROWS),
        "select": RNG.integers(-3, 4, ROWS),
        'a "Late"?': RNG.random(ROWS) < 0.4,
        "Ünnötig": RNG.normal(0.0, 1.0, ROWS).round(1),
    }
)
GAPS = FRAME.mask(RNG.random(FRAME.shape) < 0.1).astype(
    {"air time": float, "dep.delay": float, "select": float, 'a "Late"?': float}
)
CITY = pd.Series(RNG.choice(["ATL", "bos", "Ö"], ROWS))
NUMBER = (
    FRAME["air time"] - 0.5 * FRAME["dep.delay"] + 0.3 * FRAME["select"] + RNG.normal(0, 0.2, ROWS)
).to_numpy()
POSITIVE = np.exp(NUMBER / 4)
TWO = np.stack([NUMBER, RNG.normal(size=ROWS)], axis=1)
THREE = np.digitize(NUMBER, [-1.0, 1.0])
LABELS = {
    "booleans": NUMBER > 0,
    "texts": np.array(["late", "on time"])[(NUMBER > 0).astype(int)],
    "sparse integers": np.array([7, -3])[(NUMBER > 0).astype(int)],
    "three texts": np.array(["é", "B", "a b"])[THREE],
    "four integers": np.array([40, 0, -7, 9])[np.digitize(NUMBER, [-2.0, 0.0, 2.0])],
}


def check(estimator, target, quietly, frame=FRAME, routes=KERNEL):
    quietly(lambda: estimator.fit(frame, target))
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    training = training.only(model.signature.names)
    certificate = certify(model, estimator, training, rows=PROBES, routes=routes)
    assert certificate.rows >= PROBES
    assert certificate.labels_identical is (None if model.outputs.classes is None else True)
    return model


REGRESSORS = [
    ARDRegression(),
    BayesianRidge(),
    ElasticNet(alpha=0.1),
    ElasticNetCV(cv=3),
    HuberRegressor(),
    Lars(),
    LarsCV(cv=3),
    Lasso(alpha=0.1),
    LassoCV(cv=3),
    LassoLars(alpha=0.01),
    LassoLarsCV(cv=3),
    LassoLarsIC(),
    LinearRegression(positive=True),
    LinearSVR(),
    OrthogonalMatchingPursuit(),
    OrthogonalMatchingPursuitCV(cv=3),
    QuantileRegressor(quantile=0.8, alpha=0.01),
    RANSACRegressor(random_state=0),
    RANSACRegressor(Ridge(fit_intercept=False), min_samples=20, random_state=0),
    Ridge(fit_intercept=False),
    RidgeCV(),
    SGDRegressor(random_state=0),
    SGDRegressor(penalty="l1", random_state=0),
    TheilSenRegressor(max_subpopulation=200, random_state=0),
    TweedieRegressor(power=0),
    TweedieRegressor(power=0, link="log", alpha=0.1),
]


@pytest.mark.parametrize("estimator", REGRESSORS, ids=repr)
def test_regressors(estimator, quietly):
    target = POSITIVE if getattr(estimator, "link", "") == "log" else NUMBER
    check(estimator, target, quietly)


@pytest.mark.parametrize(
    "estimator",
    [
        GammaRegressor(),
        PoissonRegressor(),
        PoissonRegressor(alpha=1e-6),
        TweedieRegressor(power=1.5),
        TweedieRegressor(power=3, link="identity", alpha=100.0),
    ],
    ids=repr,
)
def test_regressors_of_positive_targets(estimator, quietly):
    check(estimator, POSITIVE, quietly)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        MultiTaskElasticNet(alpha=0.1),
        MultiTaskElasticNetCV(cv=3),
        MultiTaskLasso(alpha=0.1),
        MultiTaskLassoCV(cv=3),
        RidgeCV(),
        OrthogonalMatchingPursuit(),
        Lars(),
    ],
    ids=repr,
)
def test_regressors_of_several_targets(estimator, quietly):
    assert len(check(estimator, TWO, quietly).outputs.prediction) == 2


CLASSIFIERS = [
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    LinearSVC(),
    LogisticRegression(),
    LogisticRegressionCV(
        Cs=2, cv=2, use_legacy_attributes=False, l1_ratios=(0,), scoring="accuracy"
    ),
    Perceptron(random_state=0),
    RidgeClassifier(),
    RidgeClassifierCV(),
    SGDClassifier(random_state=0),
    SGDClassifier(loss="log_loss", random_state=0),
    SGDClassifier(loss="modified_huber", random_state=0),
    SGDClassifier(loss="perceptron", random_state=0),
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=repr)
def test_classifiers(estimator, labels, quietly):
    target = LABELS[labels]
    model = check(estimator, target, quietly)
    assert list(model.outputs.classes) == np.unique(target).tolist()
    assert bool(model.outputs.probabilities) is hasattr(estimator, "predict_proba")


def test_passive_aggressive(quietly):
    check(quietly(lambda: PassiveAggressiveRegressor(random_state=0)), NUMBER, quietly)
    for labels in ("texts", "three texts"):
        estimator = quietly(lambda: PassiveAggressiveClassifier(random_state=0))
        check(estimator, LABELS[labels], quietly)


def test_shares_where_every_class_is_improbable(quietly):
    frame = pd.DataFrame({"x": np.repeat([-1.0, 0.0, 1.0], 100)})
    target = np.repeat([0, 1, 2], 100)
    for loss in ("log_loss", "modified_huber"):
        check(SGDClassifier(loss=loss, random_state=0), target, quietly, frame)


def test_liblinear_and_sparse_coefficients(quietly):
    check(LogisticRegression(solver="liblinear"), LABELS["texts"], quietly)
    estimator = SGDClassifier(penalty="l1", random_state=0).fit(FRAME, LABELS["texts"]).sparsify()
    convert(estimator, Training.of(FRAME, estimator))


@pytest.mark.parametrize("estimator", [PoissonRegressor(), BayesianRidge(), RidgeCV()], ids=repr)
def test_pipelines_with_gaps_and_texts_on_every_route(estimator, quietly):
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    )
    frame = GAPS.assign(city=CITY)
    pipeline = make_pipeline(encode, estimator)
    check(pipeline, POSITIVE, quietly, frame, ("kernel", "reloaded", "duckdb"))


def test_classifier_on_every_route(quietly):
    pipeline = make_pipeline(SimpleImputer(), SGDClassifier(loss="log_loss", random_state=0))
    for labels in ("booleans", "three texts"):
        check(pipeline, LABELS[labels], quietly, GAPS, ("kernel", "reloaded", "duckdb"))
    pipeline = make_pipeline(SimpleImputer(), RidgeClassifier())
    check(pipeline, LABELS["four integers"], quietly, GAPS, ("kernel", "reloaded", "duckdb"))


def test_ridge_classifier_of_several_labels_is_refused():
    estimator = RidgeClassifier().fit(FRAME, TWO > 0)
    with pytest.raises(UnsupportedModelError, match="RidgeClassifier: it predicts several labels"):
        convert(estimator, Training.of(FRAME, estimator))


@pytest.mark.parametrize("estimator", [LassoCV(), RANSACRegressor(), LinearSVC()], ids=repr)
def test_unfitted(estimator):
    with pytest.raises(UnsupportedModelError, match="not fitted"):
        convert(estimator, Training.of(FRAME))


class Multinomial:
    """Answers as a LogisticRegression of scikit-learn 1.6 with ``multi_class="multinomial"``."""

    def __init__(self, model):
        self.model = model
        self.predict, self.decision_function = model.predict, model.decision_function

    def predict_proba(self, frame):
        decision = self.decision_function(frame)
        return softmax(np.c_[-decision, decision], copy=False)


def test_multinomial_of_two_classes(quietly):
    estimator = quietly(lambda: LogisticRegression().fit(FRAME, LABELS["texts"]))
    estimator.multi_class = "multinomial"
    training = Training.of(FRAME, estimator)
    model = convert(estimator, training)
    certificate = certify(model, Multinomial(estimator), training, rows=PROBES, routes=KERNEL)
    assert certificate.largest_difference < 1e-15
    with pytest.raises(CertificationError, match="differs from the library in the probability"):
        certify(model, estimator, training, rows=PROBES, routes=KERNEL)
