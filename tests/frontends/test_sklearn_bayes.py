import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from foresql import certify
from foresql.certify.routes import ROUTES
from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

ROWS = 300
PROBES = 500
FEW = 10
RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "air time": RNG.normal(3.0, 2.0, ROWS),
        "dep.delay": RNG.gamma(2.0, 1.0, ROWS),
        "select": RNG.integers(-3, 4, ROWS),
        'a "Late"?': RNG.random(ROWS) < 0.4,
    }
)
GAPS = FRAME.astype(float).mask(RNG.random(FRAME.shape) < 0.1)
COUNTS = FRAME.abs().round(1).astype(float)
FLAGS = FRAME > 0.5
CODES = pd.DataFrame(RNG.integers(0, 4, (ROWS, 3)), columns=list("xyz"))
CITY = pd.Series(RNG.choice(["ATL", "bos", "Ö"], ROWS))
NUMBER = (FRAME["air time"] - FRAME["dep.delay"] + FRAME["select"] / 3).to_numpy()
LABELS = {
    "booleans": NUMBER > 1,
    "texts": np.array(["late", "on time"])[(NUMBER > 1).astype(int)],
    "three integers": np.array([7, -3, 40])[np.digitize(NUMBER, [0.0, 2.0])],
    "nine": np.digitize(NUMBER, np.quantile(NUMBER, np.arange(1, 9) / 9)),
}


def name_of(value):
    return repr(value) if hasattr(value, "fit") else ""


CLASSIFIERS = [
    (GaussianNB(), FRAME),
    (MultinomialNB(), COUNTS),
    (ComplementNB(), COUNTS),
    (BernoulliNB(), FRAME),
    (CategoricalNB(), CODES),
    (QuadraticDiscriminantAnalysis(), FRAME),
]
OPTIONS = [
    (GaussianNB(var_smoothing=0.1), FRAME[["air time"]]),
    (MultinomialNB(alpha=0.1, fit_prior=False), COUNTS),
    (ComplementNB(norm=True), COUNTS),
    (BernoulliNB(binarize=1.5, alpha=0.2), FRAME),
    (BernoulliNB(binarize=None), FLAGS),
    (CategoricalNB(min_categories=7, fit_prior=False), CODES + 0.5),
    (QuadraticDiscriminantAnalysis(reg_param=0.3), FRAME[["air time"]]),
    (QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2), FRAME),
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(("estimator", "frame"), CLASSIFIERS, ids=name_of)
def test_classifiers(estimator, frame, labels, agree, quietly):
    target = LABELS[labels]
    model = agree(quietly(lambda: estimator.fit(frame, target)), frame, rows=PROBES)
    assert list(model.outputs.classes) == np.unique(target).tolist()
    assert len(model.outputs.probabilities) == len(model.outputs.classes)


@pytest.mark.parametrize("labels", ["booleans", "three integers"])
@pytest.mark.parametrize(("estimator", "frame"), OPTIONS, ids=name_of)
def test_options(estimator, frame, labels, agree):
    agree(estimator.fit(frame, LABELS[labels]), frame, rows=PROBES)


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(priors=[0.9, 0.1]),
        QuadraticDiscriminantAnalysis(priors=[0.9, 0.1]),
    ],
    ids=repr,
)
def test_given_priors(estimator, agree):
    agree(estimator.fit(FRAME, LABELS["texts"]), FRAME, rows=PROBES)


@pytest.mark.parametrize(
    "estimator",
    [GaussianNB(), QuadraticDiscriminantAnalysis(), MultinomialNB(), BernoulliNB(binarize=0.5)],
    ids=repr,
)
def test_pipelines_with_gaps_and_texts_on_every_route(estimator, agree):
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False, drop="first"), ["city"]),
        remainder=make_pipeline(
            SimpleImputer(), KBinsDiscretizer(3, encode="ordinal", strategy="uniform")
        ),
    )
    frame = GAPS.assign(city=CITY)
    pipeline = make_pipeline(encode, estimator).fit(frame, LABELS["texts"])
    agree(pipeline, frame, rows=PROBES, routes=tuple(ROUTES))


def test_categories_of_encoded_texts_on_every_route(agree):
    frame = CODES.assign(city=CITY)
    encode = make_column_transformer((OrdinalEncoder(), ["city"]), remainder="passthrough")
    pipeline = make_pipeline(encode, CategoricalNB()).fit(frame, LABELS["three integers"])
    agree(pipeline, frame, rows=PROBES, routes=tuple(ROUTES))


def test_categories_are_cut_to_integers_and_unknown_ones_refused(quietly):
    frame = CODES.astype(float)
    estimator = CategoricalNB().fit(frame, LABELS["three integers"])
    model = convert(estimator, Training.of(frame, estimator))
    below, above = np.nextafter(4.0, 0.0), np.nextafter(-1.0, 0.0)
    values = [0.0, -0.0, above, -0.5, 1e-310, 0.999, np.nextafter(1.0, 0.0), 1.0, 3.7, below]
    rows = pd.DataFrame({"x": values, "y": 1.0, "z": 2.0})
    ours = Scorer(model).score(Training.of(rows).table)
    assert ours.probabilities.tolist() == estimator.predict_proba(rows).tolist()
    for value in (-1.0, 4.0, 1e10, -1e300, 1e300):
        row = rows.iloc[:1].assign(x=value)
        with pytest.raises((ValueError, IndexError)):
            quietly(lambda row=row: estimator.predict(row))
        with pytest.raises(ScoringError, match=r"'x' holds .*, which CategoricalNB never saw"):
            Scorer(model).score(Training.of(row).table)


@pytest.mark.parametrize("estimator", [MultinomialNB(), ComplementNB(), BernoulliNB()], ids=repr)
def test_sparse_flags(estimator, agree):
    frame = CODES.assign(city=CITY)
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), estimator)
    agree(pipeline.fit(frame, LABELS["three integers"]), frame, rows=PROBES)


REFUSED = [
    (GaussianNB(priors=[1.0, 0.0]), FRAME, "its logarithm infinite"),
    (GaussianNB(var_smoothing=0.0), FRAME.assign(same=1.0), "its logarithm infinite"),
    (MultinomialNB(class_prior=[1.0, 0.0]), COUNTS, "its logarithm infinite"),
    (QuadraticDiscriminantAnalysis(priors=[0.0, 1.0]), FRAME, "its logarithm infinite"),
    (NearestCentroid(priors=[0.0, 1.0]), FRAME, "its logarithm infinite"),
    (
        MultinomialNB(alpha=0.0),
        COUNTS * (LABELS["booleans"][:, None] & [True, 0, 0, 0]),
        "infinite",
    ),
    (BernoulliNB(alpha=0.0), FLAGS.assign(same=True), "its logarithm infinite"),
    (CategoricalNB(alpha=0.0), CODES.assign(x=LABELS["booleans"] * 1), "its logarithm infinite"),
    (make_pipeline(PCA(2), BernoulliNB()), FRAME, "compares a sum of products"),
    (make_pipeline(PCA(2), MinMaxScaler((0, 3)), CategoricalNB()), FRAME, "sum of products"),
]


@pytest.mark.parametrize(("estimator", "frame", "reason"), REFUSED, ids=name_of)
def test_refusals(estimator, frame, reason, quietly):
    quietly(lambda: estimator.fit(frame, LABELS["booleans"]))
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(estimator, Training.of(frame, estimator))


@pytest.mark.parametrize(
    "estimator", [GaussianNB(), MultinomialNB(), ComplementNB(), BernoulliNB()], ids=repr
)
def test_one_class_is_refused(estimator):
    estimator.fit(COUNTS, np.ones(ROWS))
    with pytest.raises(UnsupportedModelError, match=r"a single class, 1\.0"):
        convert(estimator, Training.of(COUNTS, estimator))


@pytest.mark.parametrize("estimator", [CategoricalNB(), QuadraticDiscriminantAnalysis()], ids=repr)
def test_unfitted(estimator):
    with pytest.raises(UnsupportedModelError, match="not fitted"):
        convert(estimator, Training.of(FRAME))


@pytest.mark.parametrize("solver", ["svd", "eigen"])
def test_linear_projection(solver, agree):
    project = LinearDiscriminantAnalysis(solver=solver, n_components=1)
    pipeline = make_pipeline(project, GaussianNB()).fit(FRAME, LABELS["three integers"])
    agree(pipeline, FRAME, rows=PROBES)


def test_projection_that_the_library_lacks_is_refused():
    project = LinearDiscriminantAnalysis(solver="svd").fit(FRAME, LABELS["texts"])
    project.solver = "lsqr"
    pipeline = make_pipeline(project, Ridge())
    with pytest.raises(UnsupportedModelError, match="solver='lsqr' has no projection"):
        convert(pipeline, Training.of(FRAME))


MIXTURES = [
    kind(n_components=components, covariance_type=covariance, random_state=0)
    for covariance in ("full", "tied", "diag", "spherical")
    for kind, components in (
        (GaussianMixture, 3),
        (GaussianMixture, 2),
        (BayesianGaussianMixture, 3),
    )
]


@pytest.mark.parametrize("mixture", MIXTURES, ids=repr)
def test_mixtures(mixture, agree, quietly):
    frame = FRAME.astype(float)
    model = agree(quietly(lambda: mixture.fit(frame)), frame, rows=PROBES, ties=FEW)
    assert model.outputs.classes == tuple(range(mixture.n_components))


def test_mixtures_of_one_column_and_of_one_component(agree, quietly):
    for mixture in (
        GaussianMixture(2, random_state=0),
        BayesianGaussianMixture(
            n_components=2,
            weight_concentration_prior_type="dirichlet_distribution",
            random_state=0,
        ),
    ):
        agree(
            quietly(lambda m=mixture: m.fit(FRAME[["air time"]])), FRAME[["air time"]], rows=PROBES
        )
    pipeline = make_pipeline(StandardScaler(), GaussianMixture(1)).fit(CODES)
    agree(pipeline, CODES, rows=PROBES, routes=tuple(ROUTES))


NARROW = [
    GaussianNB(),
    QuadraticDiscriminantAnalysis(),
    *MIXTURES[::3],
]


@pytest.mark.parametrize("estimator", NARROW, ids=repr)
def test_narrow_floats_are_asked_and_answered_in_float64(estimator, quietly):
    frame = FRAME.astype(np.float32)
    quietly(lambda: estimator.fit(frame, LABELS["three integers"]))
    training = Training.of(frame, estimator)
    certificate = certify(convert(estimator, training), estimator, training, rows=PROBES)
    assert certificate.ties <= FEW
    assert certificate.largest_difference < 1e-15


def test_mixture_of_integers_is_refused():
    mixture = GaussianMixture(2, random_state=0).fit(CODES)
    with pytest.raises(UnsupportedModelError, match="no column is sure to hold floats"):
        convert(mixture, Training.of(CODES, mixture))
