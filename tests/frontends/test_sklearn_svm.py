from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from foresql import certify
from foresql.certify.compare import rounding_bound
from foresql.errors import CertificationError, ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir import steps as s
from foresql.kernels import Scorer

ROWS = 160
PROBES = 120
BOTH = ("kernel", "reloaded")
ORDINARY = 1e-12
"""Weights of up to 100 are added here, so a last digit of theirs is more than one of the sum."""
RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "stops": RNG.integers(0, 4, ROWS),
        "late": RNG.random(ROWS) < 0.4,
        "rounded": RNG.normal(size=ROWS).round(1),
    }
)
NUMBER = (FRAME["x"] + FRAME["stops"] + RNG.normal(size=ROWS)).to_numpy()
LABELS = {
    "booleans": NUMBER > 0,
    "texts": np.array(["late", "on time"])[(NUMBER > 0.5).astype(int)],
    "three texts": np.array(["é", "B", "a b"])[np.digitize(NUMBER, [0.5, 2.0])],
    "four integers": np.array([40, 0, -7, 9])[np.digitize(NUMBER, [0.0, 1.5, 3.0])],
}
KERNELS = [
    {"kernel": "linear"},
    {"kernel": "rbf"},
    {"kernel": "rbf", "gamma": "auto"},
    {"kernel": "rbf", "gamma": 3.0},
    {"kernel": "poly"},
    {"kernel": "poly", "degree": 2, "coef0": 1.5, "gamma": 0.2},
    {"kernel": "poly", "degree": 0},
    {"kernel": "sigmoid", "gamma": 0.1, "coef0": -0.5},
]


@pytest.mark.parametrize("options", KERNELS, ids=str)
def test_kernels(options, agree):
    for estimator, target in [(SVC(**options), LABELS["three texts"]), (SVR(**options), NUMBER)]:
        agree(estimator.fit(FRAME, target), FRAME, rows=PROBES, routes=BOTH, ordinary=ORDINARY)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    "estimator",
    [
        SVC(C=30.0),
        SVC(class_weight="balanced"),
        SVC(decision_function_shape="ovo"),
        SVC(break_ties=True),
        NuSVC(nu=0.3),
    ],
    ids=str,
)
def test_classifiers(estimator, labels, agree):
    agree(estimator.fit(FRAME, labels), FRAME, rows=PROBES, ordinary=ORDINARY)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("kind", [SVC, NuSVC])
def test_probabilities(kind, labels, agree, quietly):
    options = {"nu": 0.3} if kind is NuSVC else {}
    estimator = kind(probability=True, random_state=0, **options)
    model = agree(
        quietly(lambda: estimator.fit(FRAME, labels)), FRAME, rows=PROBES, ordinary=ORDINARY
    )
    assert len(model.outputs.probabilities) == len(estimator.classes_)


@pytest.mark.parametrize(
    "estimator", [NuSVR(), NuSVR(kernel="poly", C=0.1), SVR(epsilon=0.01)], ids=str
)
def test_regressors(estimator, agree):
    agree(estimator.fit(FRAME, NUMBER), FRAME, rows=PROBES, routes=("duckdb",), ordinary=ORDINARY)


def test_one_class(agree):
    model = agree(OneClassSVM(nu=0.2).fit(FRAME), FRAME, rows=PROBES, routes=("kernel", "duckdb"))
    assert model.outputs.classes == (-1, 1)


def test_no_support_vectors(agree):
    agree(SVR().fit(FRAME, np.full(ROWS, 0.1)), FRAME, rows=PROBES)


def test_one_column(agree):
    frame = FRAME[["rounded"]]
    agree(SVC().fit(frame, LABELS["three texts"]), frame, rows=PROBES, ordinary=ORDINARY)


def test_a_pipeline(agree):
    frame = FRAME.assign(city=RNG.choice(["ATL", "bos", "Ö"], ROWS))
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    columns = make_column_transformer((StandardScaler(), ["x", "stops"]), (encoder, ["city"]))
    pipeline = make_pipeline(columns, SVC()).fit(frame, LABELS["four integers"])
    agree(pipeline, frame, rows=PROBES, ordinary=ORDINARY)


def test_the_bound_is_close_to_the_rounding():
    estimator = SVR(kernel="rbf").fit(FRAME, NUMBER)
    training = Training.of(FRAME, estimator)
    model = convert(estimator, training)
    scorer = Scorer(model)
    bound = rounding_bound(model, scorer.run(scorer.decoder.decode(training.table)))
    gap = np.abs(scorer.score(training.table).prediction[:, 0] - estimator.predict(FRAME))
    # On some processors both add in the same order, and there is no gap at all.
    assert gap.max() <= bound.min() < bound.max() < 1e-11
    assert bound.min() > 0


@pytest.mark.parametrize("field", ["points", "weights", "intercepts", "gammas"])
def test_the_gate_sees_what_is_off_by_a_billionth(field):
    estimator = SVR(kernel="rbf").fit(FRAME, NUMBER)
    training = Training.of(FRAME, estimator)
    model = convert(estimator, training)
    (step,) = [step for step in model.steps if isinstance(step, s.KernelSum)]
    off = replace(step, **{field: getattr(step, field) * (1 + 1e-9)})
    steps = tuple(off if each is step else each for each in model.steps)
    with pytest.raises(CertificationError, match="differs from the library in the prediction"):
        certify(replace(model, steps=steps), estimator, training, rows=PROBES, routes=("kernel",))


@pytest.mark.parametrize("value", [None, -np.inf])
def test_rows_that_are_refused(value):
    estimator = SVC().fit(FRAME[["x"]], LABELS["texts"])
    scorer = Scorer(convert(estimator, Training.of(FRAME[["x"]], estimator)))
    with pytest.raises(ScoringError, match="SVC accepts"):
        scorer.score(Training.of(pd.DataFrame({"x": [value]}, dtype=float)).table)


def test_kernels_of_the_users_own():
    for kernel in (lambda x, y: x @ y.T, "precomputed"):
        square = pd.DataFrame(np.eye(ROWS)).rename(columns=str)
        estimator = SVC(kernel=kernel).fit(square, LABELS["texts"])
        with pytest.raises(UnsupportedModelError, match="has no exact translation"):
            convert(estimator, Training.of(square, estimator))


@pytest.mark.parametrize("options", KERNELS, ids=str)
def test_a_sparse_fit(options, agree):
    frame = FRAME[["stops"]].assign(city=RNG.choice(["ATL", "bos", "Ö", "d"], ROWS))
    for estimator, target in [(SVC(**options), LABELS["four integers"]), (SVR(**options), NUMBER)]:
        pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), estimator)
        pipeline.fit(frame, target)
        assert issparse(estimator.support_vectors_)
        agree(pipeline, frame, rows=PROBES, ordinary=ORDINARY)


def test_a_sparse_matrix_after_a_dense_fit_is_refused():
    pipeline = make_pipeline(OneHotEncoder(sparse_output=False), SVC())
    pipeline.fit(FRAME[["stops"]], LABELS["texts"])
    pipeline[0].set_params(sparse_output=True)
    with pytest.raises(ValueError, match="cannot use sparse input"):
        pipeline.predict(FRAME[["stops"]])
    with pytest.raises(UnsupportedModelError, match="sparse matrix"):
        convert(pipeline, Training.of(FRAME[["stops"]], pipeline))


def test_ties_that_scikit_learn_refuses_to_break():
    estimator = SVC(break_ties=True, decision_function_shape="ovo").fit(
        FRAME, LABELS["three texts"]
    )
    with pytest.raises(UnsupportedModelError, match="decision_function_shape='ovr'"):
        convert(estimator, Training.of(FRAME, estimator))


def test_text_is_refused():
    frame = FRAME.assign(city="ATL")
    estimator = SVC().fit(FRAME[["x"]], LABELS["texts"])
    estimator.feature_names_in_ = np.array(["city"], object)
    with pytest.raises(UnsupportedModelError, match="not a number"):
        convert(estimator, Training.of(frame[["city"]], estimator))
