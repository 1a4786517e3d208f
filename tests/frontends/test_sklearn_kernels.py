import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import KernelPCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    CompoundKernel,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from foresql.certify.compare import rounding_bound
from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

ROWS = 150
PROBES = 120
BOTH = ("kernel", "reloaded")
ORDINARY = 1e-11
"""Weights of both signs cancel here: the gate's bound is the sharper test."""
RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "stops": RNG.integers(0, 4, ROWS),
        "late": RNG.random(ROWS) < 0.4,
        "rounded": RNG.normal(size=ROWS).round(1),
    }
)
TIME = pd.DataFrame({"t": np.linspace(0.0, 10.0, ROWS)})
NUMBER = (FRAME["x"] + FRAME["stops"] + RNG.normal(size=ROWS)).to_numpy()
TWO = np.stack([NUMBER, RNG.normal(size=ROWS)], axis=1)
THREE = np.array(["é", "B", "a b"])[np.digitize(NUMBER, [0.5, 2.0])]
SOME = np.where(RNG.random(ROWS) < 0.5, -1, np.digitize(NUMBER, [0.5, 2.0]))

PAIRWISE = [
    {"kernel": "linear"},
    {"kernel": "rbf"},
    {"kernel": "rbf", "gamma": 2.0},
    {"kernel": "laplacian"},
    {"kernel": "poly", "coef0": 0.5},
    {"kernel": "polynomial", "degree": 2, "gamma": 0.1},
    {"kernel": "sigmoid", "gamma": 0.01, "coef0": 0.0},
]


def check(agree, estimator, target, frame=FRAME, routes=BOTH):
    return agree(estimator.fit(frame, target), frame, rows=PROBES, routes=routes, ordinary=ORDINARY)


@pytest.mark.parametrize("options", PAIRWISE, ids=str)
def test_kernel_ridge(options, agree):
    check(agree, KernelRidge(**options), NUMBER)


def test_kernel_ridge_of_several_targets(agree):
    check(agree, KernelRidge(kernel="rbf"), TWO, routes=("duckdb",))


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "sigmoid"])
def test_kernel_components(kernel, agree):
    pipeline = make_pipeline(KernelPCA(3, kernel=kernel, gamma=0.1), LinearRegression())
    check(agree, pipeline, NUMBER)


def test_kernel_components_of_no_variance_are_zero(agree):
    components = KernelPCA(6, kernel="linear", remove_zero_eig=False)
    check(agree, make_pipeline(components, LinearRegression()), NUMBER)


@pytest.mark.parametrize("options", PAIRWISE, ids=str)
def test_nystroem(options, agree):
    features = Nystroem(n_components=4, random_state=0, **options)
    check(agree, make_pipeline(StandardScaler(), features, LogisticRegression()), THREE)


def test_nystroem_takes_its_parameters_from_either_place(agree):
    features = Nystroem(kernel="poly", n_components=5, kernel_params={"degree": 2}, random_state=0)
    check(agree, make_pipeline(features, LinearRegression()), NUMBER)


KERNELS = [
    None,
    ConstantKernel(2.0) * RBF([1.0, 2.0, 3.0, 0.5]) + WhiteKernel(0.1),
    Matern(0.7, nu=0.5),
    Matern([1.0, 2.0, 1.0, 1.0], nu=1.5) * DotProduct(0.5),
    Matern(nu=2.5) + ConstantKernel(3.0),
    Matern(nu=np.inf) + DotProduct(),
    RationalQuadratic(2.0, 0.6) ** 1.5,
    (RBF() + DotProduct()) ** 2,
    (ConstantKernel(0.5) + RBF(3.0)) * (RationalQuadratic() + WhiteKernel()),
    (ConstantKernel(4.0) * RBF()) ** 0.5,
    WhiteKernel(),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("normalize", [False, True], ids=["as it is", "normalized"])
def test_gaussian_processes(kernel, normalize, agree):
    process = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None, normalize_y=normalize)
    check(agree, process, NUMBER, routes=("kernel",))


def test_a_process_of_several_targets(agree):
    process = GaussianProcessRegressor(RBF() + DotProduct(), alpha=0.1, optimizer=None)
    check(agree, process, TWO, routes=("duckdb",))
    check(agree, process.set_params(normalize_y=True), TWO)


def test_a_process_that_was_optimized(agree, quietly):
    process = GaussianProcessRegressor(RBF() + WhiteKernel(), random_state=0)
    quietly(lambda: check(agree, process, NUMBER))


def test_a_periodic_process(agree):
    kernel = ExpSineSquared(1.3, 2.5) * RBF(4.0)
    process = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None)
    check(agree, process, np.sin(TIME["t"]), TIME)


@pytest.mark.parametrize(
    "estimator", [LabelPropagation(), LabelPropagation(gamma=0.5), LabelSpreading(gamma=1.0)]
)
def test_labels_that_spread(estimator, agree, quietly):
    quietly(lambda: check(agree, estimator, SOME))


def test_a_row_that_no_label_reaches_has_no_probabilities(quietly):
    estimator = quietly(lambda: LabelSpreading().fit(FRAME, SOME))
    far = FRAME[:1].assign(x=1e3)
    scores = Scorer(convert(estimator, Training.of(FRAME, estimator))).score(Training.of(far).table)
    assert np.isnan(quietly(lambda: estimator.predict_proba(far))).all()
    assert np.isnan(scores.probabilities).all()
    assert scores.prediction[0, 0] == quietly(lambda: estimator.predict(far))[0]


def test_the_bound_is_close_to_the_rounding():
    estimator = KernelRidge(kernel="rbf", gamma=0.5).fit(FRAME, NUMBER)
    training = Training.of(FRAME, estimator)
    model = convert(estimator, training)
    scorer = Scorer(model)
    bound = rounding_bound(model, scorer.run(scorer.decoder.decode(training.table)))
    gap = np.abs(scorer.score(training.table).prediction[:, 0] - estimator.predict(FRAME))
    assert 0 < gap.max() <= bound.min() < bound.max() < 1e-11


def test_rows_that_are_refused():
    estimator = KernelRidge(kernel="rbf").fit(FRAME[["x"]], NUMBER)
    scorer = Scorer(convert(estimator, Training.of(FRAME[["x"]], estimator)))
    with pytest.raises(ScoringError, match="KernelRidge accepts"):
        scorer.score(Training.of(pd.DataFrame({"x": [np.nan]})).table)


def process_of(kernel):
    return GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None)


class Mine(RBF):
    """A kernel that scikit-learn does not know."""


REFUSED = [
    (KernelRidge(kernel="cosine"), NUMBER, "Normalizer"),
    (KernelRidge(kernel=lambda x, y: x @ y), NUMBER, "a function in Python"),
    (make_pipeline(StandardScaler(), KernelPCA(2), RandomForestClassifier(2)), THREE, "a sum"),
    (process_of(Matern(nu=0.7)), NUMBER, "Bessel"),
    (process_of(ExpSineSquared()), NUMBER, "a single column"),
    (process_of(PairwiseKernel()), NUMBER, "PairwiseKernel has no exact translation"),
    (process_of(Mine()), NUMBER, "is not scikit-learn's"),
    (process_of((RBF() + DotProduct()) ** 0.5), NUMBER, "to the power 0.5"),
    (process_of((RBF() + DotProduct() + Matern()) ** 4), NUMBER, "more than 64 terms"),
    (GaussianProcessClassifier(), THREE, "variance"),
    (LabelSpreading(kernel="knn"), SOME, "kernel 'knn'"),
]


@pytest.mark.parametrize(
    ("estimator", "target", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED]
)
def test_what_is_refused(estimator, target, reason, quietly):
    match estimator:
        case KernelRidge():
            estimator.dual_coef_, estimator.X_fit_ = NUMBER, FRAME.to_numpy(float)
        case GaussianProcessRegressor():
            estimator.alpha_, estimator.X_train_ = NUMBER, FRAME.to_numpy(float)
            estimator.kernel_ = estimator.kernel
        case _:
            quietly(lambda: estimator.fit(FRAME, target))
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(estimator, Training.of(FRAME))


@pytest.mark.parametrize("estimator", [KernelRidge(kernel="rbf"), KernelPCA(3, kernel="rbf")])
def test_a_fit_to_float32(estimator, agree):
    frame = FRAME[["x", "rounded"]].astype(np.float32)
    if isinstance(estimator, KernelPCA):
        estimator = make_pipeline(estimator, LinearRegression())
    estimator.fit(frame, NUMBER)
    agree(estimator, frame.astype(float), rows=PROBES, ordinary=1e-9)


def test_a_process_that_was_fitted_to_float32_is_refused():
    process = process_of(RBF(0.7)).fit(FRAME[["x"]].astype(np.float32), NUMBER)
    with pytest.raises(UnsupportedModelError, match="fitted to float32"):
        convert(process, Training.of(FRAME[["x"]], process))


def test_a_compound_kernel_is_refused():
    process = process_of(RBF()).fit(FRAME, NUMBER)
    process.kernel_ = CompoundKernel([RBF(), RBF()])
    with pytest.raises(UnsupportedModelError, match="CompoundKernel"):
        convert(process, Training.of(FRAME))
