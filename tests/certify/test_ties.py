"""Labels whose scores are equal but for rounding: what the gate accepts, counts and refuses."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from foresql import CertificationError, certify
from foresql.certify.compare import label_doubts
from foresql.certify.golden import check_golden
from foresql.certify.routes import ROUTES
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

GRID = pd.DataFrame(list(product(range(4), repeat=2)), columns=["x", "y"], dtype=float)
CENTERS = np.array([[0.0, 1.0], [2.0, 1.0], [9.0, 9.0]])


class Library:
    """Answers as a library does whose processor adds otherwise: of equals it takes the last."""

    def __init__(self, wrong=()):
        self.wrong = list(wrong)

    def predict(self, frame):
        values = frame.to_numpy()
        if not np.isfinite(values).all():
            raise ValueError(frame)
        scores = 2 * values @ CENTERS.T - (CENTERS**2).sum(axis=1)
        labels = len(CENTERS) - 1 - np.argmax(scores[:, ::-1], axis=1)
        labels[np.isin(values[:, 0], self.wrong)] = 2
        return labels


@pytest.fixture
def clusters():
    estimator = KMeans(3, random_state=0).fit(GRID)
    estimator.cluster_centers_ = CENTERS
    return lambda frame: (
        convert(estimator, Training.of(frame, estimator)),
        Training.of(frame, estimator),
    )


def test_ties_are_counted_and_pass_with_golden_rows(clusters):
    model, training = clusters(GRID[GRID["x"] != 1.0])
    certificate = certify(model, Library(), training, rows=500, routes=("kernel", "reloaded"))
    assert certificate.labels_identical is False
    assert 0 < certificate.ties < 250
    check_golden(certificate.golden, model, Scorer(model), ROUTES["kernel"](model, None))


def test_a_tie_in_the_training_frame_is_refused(clusters):
    model, training = clusters(GRID)
    with pytest.raises(CertificationError, match=r"lies on a tie .* 0 and 1: .*'x': 1\.0"):
        certify(model, Library(), training, rows=500, routes=("kernel",))


def test_another_label_off_a_tie_is_refused(clusters):
    model, training = clusters(GRID[GRID["x"] != 1.0])
    with pytest.raises(CertificationError, match="differs from the library in the label"):
        certify(model, Library(wrong=[3.0]), training, rows=500, routes=("kernel",))


def test_golden_labels_off_a_tie_must_be_identical(clusters):
    model, training = clusters(GRID[GRID["x"] != 1.0])
    golden = certify(model, Library(), training, rows=500, routes=("kernel",)).golden
    object.__setattr__(golden, "prediction", tuple(2 - label for label in golden.prediction))
    with pytest.raises(CertificationError, match="A label is not the one"):
        check_golden(golden, model, Scorer(model), ROUTES["kernel"](model, None))


def test_rows_in_doubt():
    estimator = LogisticRegression().fit(GRID, GRID["x"] > GRID["y"])
    estimator.coef_, estimator.intercept_ = np.array([[1.0, -1.0]]), np.zeros(1)
    training = Training.of(GRID, estimator)
    model = convert(estimator, training)
    scorer = Scorer(model)
    near = 1e15
    rows = pd.DataFrame(
        {"x": [1.0, 1.0, near, near, 1e308, 0.0], "y": [1.0, 1.0 + 1e-13, near + 1, 1.0, -1e308, 0]}
    )
    values = scorer.run(scorer.decoder.decode(Training.of(rows, estimator).table))
    doubts = label_doubts(model, values)
    assert doubts.ties.tolist() == [True, False, True, False, False, True]
    assert doubts.overflows.tolist() == [False, False, False, False, True, False]


def certified(estimator, frame):
    training = Training.of(frame, estimator)
    return certify(convert(estimator, training), estimator, training, rows=200, routes=("kernel",))


def test_terms_that_cancel_are_refused():
    """Without noise, the weights of a Gaussian process are huge, and of both signs."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((240, 4)), columns=list("abcd"))
    target = rng.random(240)
    kernel = RBF(3.0)
    noiseless = GaussianProcessRegressor(kernel, optimizer=None).fit(frame, target)
    with pytest.raises(CertificationError, match="the terms nearly cancel"):
        certified(noiseless, frame)
    noisy = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None).fit(frame, target)
    certificate = certified(noisy, frame)
    assert 0 <= certificate.training_difference < 1e-12
    certificate = certified(DecisionTreeRegressor().fit(frame, target), frame)
    assert certificate.training_difference is None
