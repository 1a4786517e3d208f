"""The library as the oracle: what a converted model must agree with, and how closely."""

import warnings

import numpy as np
import pyarrow as pa
import pytest

from foresql import certify
from foresql.certify.compare import RELATIVE, RELATIVE_PROBABILITY, rounding_bound
from foresql.certify.oracle import ask_library
from foresql.certify.rounding import has_sums
from foresql.frontends import Training, convert
from foresql.frontends.convert import transform
from foresql.frontends.graph import Graph
from foresql.ir import Model, Outputs
from foresql.ir import steps as s
from foresql.ir.codec import decode_model, encode_model
from foresql.kernels import Scorer

ORDINARY = 1e-14
"""How far a BLAS and a plain sum may be apart on ordinary rows, which are of the size of 1."""


@pytest.fixture(scope="session")
def agree():
    """Hold a fitted estimator against its translation, on its own rows and then in the gate.

    Gives the model, which is certified for ``rows`` probe rows on ``routes``. As many as ``ties``
    of their labels may hang on rounding, of which far rows have some where distances are compared.
    """
    return check_agreement


def check_agreement(  # noqa: PLR0913 - options of one check
    estimator, like, *, rows=2_000, routes=("kernel",), ties=0, ordinary=ORDINARY
):
    training = Training.of(like, estimator)
    model = convert(estimator, training)
    check_rows(model, estimator, like, training.table, ordinary)
    training = training.only(model.signature.names)
    certificate = certify(model, estimator, training, rows=rows, routes=routes)
    assert certificate.rows >= rows
    assert certificate.ties <= ties
    has_labels = model.outputs.classes is not None
    assert certificate.labels_identical is (certificate.ties == 0 if has_labels else None)
    if not has_sums(model):
        assert certificate.margin_difference == 0
    return model


def check_rows(model, estimator, frame, table: pa.Table, ordinary=ORDINARY):
    """Compare the answers for ordinary rows, from the model and from what its bundle holds."""
    theirs = ask_library(estimator, frame)
    assert not isinstance(theirs, str), theirs
    for scorer in (Scorer(model), Scorer(decode_model(*encode_model(model)))):
        ours = scorer.score(table)
        bound = rounding_bound(model, scorer.run(scorer.decoder.decode(table)))
        if model.outputs.classes is None:
            check_values(
                ours.prediction, theirs.prediction.reshape(len(table), -1), bound, ordinary
            )
        else:
            labels = np.array(model.outputs.classes, object)[ours.prediction[:, 0].astype(int)]
            assert labels.tolist() == theirs.prediction.tolist()
            limits = (bound, ordinary, RELATIVE_PROBABILITY)
            check_values(ours.probabilities, theirs.probabilities, *limits)
        if theirs.margins.size and has_sums(model):
            check_values(ours.margins, theirs.margins, bound, ordinary)
        elif theirs.margins.size:
            assert ours.margins.tobytes() == theirs.margins.tobytes()


def check_values(ours, theirs, bound, ordinary, relative=RELATIVE):
    """One ulp or so much relative; with sums, the gate's bound, and below ``ordinary`` of 1."""
    if not theirs.size:  # the library has no such answer
        assert not ours.size
        return
    assert ours.shape == theirs.shape
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    ours, theirs = np.nan_to_num(ours), np.nan_to_num(theirs.astype(np.float64))
    gap, size = np.abs(ours - theirs), np.abs(theirs)
    allowed = np.maximum(size * relative, np.spacing(size))
    if bound is not None:
        assert (gap <= ordinary * np.maximum(size, 1.0)).all()
        allowed = np.maximum(allowed, bound[:, None])
    assert (gap <= allowed).all()


@pytest.fixture(scope="session")
def same_columns():
    """Hold a fitted transformer's columns for a frame against the library's, bit for bit."""
    return check_columns


def check_columns(transformer, asked):
    training = Training.of(asked, transformer)
    graph = Graph(training.signature, training.none_columns)
    names = transform(transformer, training.signature.names, graph)
    # Adding -0.0 changes no bit, and makes a column of ours from one that was passed through.
    names = graph.arithmetic(names, s.Operator.ADD, -0.0)
    model = Model(training.signature, tuple(graph.steps), Outputs(names))
    ours = Scorer(decode_model(*encode_model(model))).score(training.table).prediction
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = transformer.transform(asked)
    theirs = np.asarray(theirs.toarray() if hasattr(theirs, "toarray") else theirs, float)
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs, equal_nan=True)


@pytest.fixture(scope="session")
def quietly():
    """Call a function whose library warns about what a test does on purpose."""

    def call(function):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()

    return call
