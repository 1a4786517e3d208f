"""Decompositions, random projections and samplers of kernels."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import (
    NMF,
    PCA,
    DictionaryLearning,
    FactorAnalysis,
    FastICA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
    SparseCoder,
    SparsePCA,
)
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.tree import DecisionTreeRegressor

from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

RNG = np.random.default_rng(1901)
ROWS = 200
FRAME = pd.DataFrame(RNG.normal(size=(ROWS, 4)), columns=list("abcd"))
POSITIVE = FRAME.abs().round(1)
NUMBER = (FRAME["a"] - FRAME["b"] + RNG.normal(0, 0.2, ROWS)).to_numpy()
ATOMS = RNG.normal(size=(3, 4))
SEED = {"random_state": 0}
FEW = {"max_iter": 5, "transform_algorithm": "threshold", **SEED}

PROJECTIONS = [
    FastICA(2, **SEED),
    FastICA(2, whiten="arbitrary-variance", **SEED),
    FastICA(whiten=False, **SEED),
    FactorAnalysis(2),
    FactorAnalysis(2, rotation="varimax", svd_method="lapack"),
    GaussianRandomProjection(3, **SEED),
    SparseRandomProjection(3, **SEED),
    DictionaryLearning(2, **FEW),
    MiniBatchDictionaryLearning(3, transform_alpha=0.2, split_sign=True, **FEW),
    SparseCoder(ATOMS, transform_algorithm="threshold"),
    SparseCoder(ATOMS, transform_algorithm="threshold", transform_alpha=0.1, positive_code=True),
    SparseCoder(ATOMS, transform_algorithm="threshold", positive_code=True, split_sign=True),
    make_pipeline(StandardScaler(), RBFSampler(n_components=5, **SEED)),
    RBFSampler(gamma="scale", n_components=3, **SEED),
    make_pipeline(MinMaxScaler(), AdditiveChi2Sampler()),
    make_pipeline(MinMaxScaler(clip=True), SkewedChi2Sampler(n_components=5, **SEED)),
]


@pytest.mark.parametrize("transformer", PROJECTIONS, ids=repr)
def test_before_a_regressor(transformer, agree, quietly):
    pipeline = make_pipeline(transformer, Ridge())
    quietly(lambda: pipeline.fit(FRAME, NUMBER))
    agree(pipeline, FRAME, rows=500)


def test_labels(agree):
    pipeline = make_pipeline(StandardScaler(), FactorAnalysis(2), LogisticRegression())
    agree(pipeline.fit(FRAME, np.digitize(NUMBER, [-1, 1])), FRAME, routes=("kernel", "duckdb"))


CHI2 = [
    AdditiveChi2Sampler(sample_steps=1),
    AdditiveChi2Sampler(),
    AdditiveChi2Sampler(sample_steps=3),
    AdditiveChi2Sampler(sample_steps=4, sample_interval=0.3),
]


@pytest.mark.parametrize("sampler", CHI2, ids=repr)
def test_additive_chi2_bit_for_bit(sampler, agree, same_columns):
    asked = pd.concat([POSITIVE, POSITIVE * 1e-9, POSITIVE * 1e200, POSITIVE * -0.0])
    same_columns(sampler.fit(POSITIVE), asked)
    tree = DecisionTreeRegressor(max_depth=5, random_state=0)
    agree(make_pipeline(sampler, tree).fit(POSITIVE, NUMBER), POSITIVE, rows=500)


@pytest.mark.parametrize(
    ("sampler", "lowest", "reason"),
    [
        (AdditiveChi2Sampler(), -5e-324, "Negative values"),
        (SkewedChi2Sampler(skewedness=0.5, n_components=3), -0.5, "smaller than -skewedness"),
    ],
)
def test_numbers_below_the_range(sampler, lowest, reason, agree):
    pipeline = make_pipeline(sampler, Ridge()).fit(POSITIVE, NUMBER)
    agree(pipeline, POSITIVE, rows=500)
    scorer = Scorer(convert(pipeline, Training.of(POSITIVE, pipeline)))
    asked = POSITIVE.head(1).assign(b=lowest)
    with pytest.raises(ValueError, match=reason):
        pipeline.predict(asked)
    with pytest.raises(ScoringError, match=r"'b' is .* accepts numbers from"):
        scorer.score(Training.of(asked, pipeline).table)


REFUSED = [
    (NMF(2, max_iter=500), "rows of a batch together"),
    (MiniBatchNMF(2), "rows of a batch together"),
    (LatentDirichletAllocation(2, max_iter=2), "it iterates for each row"),
    (SparsePCA(2, max_iter=5), "fails on a single row"),
    (SparseCoder(ATOMS), "transform_algorithm='omp' fits a regression"),
    (PolynomialCountSketch(n_components=5), "Fourier"),
    (Isomap(n_neighbors=60), "nearest training rows"),
    (LocallyLinearEmbedding(n_neighbors=20), "nearest training rows"),
    (AdditiveChi2Sampler(), "a frame of integers"),
    (make_pipeline(PCA(2), Binarizer()), "it compares a sum of products"),
    (make_pipeline(PCA(2), FunctionTransformer(np.floor)), "np.floor jumps at some value"),
]


@pytest.mark.parametrize(("transformer", "reason"), REFUSED, ids=repr)
def test_refused(transformer, reason, quietly):
    pipeline = make_pipeline(transformer, Ridge())
    frame = (POSITIVE * 10).round().astype(int)
    quietly(lambda: pipeline.fit(frame, NUMBER))
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(pipeline, Training.of(frame, pipeline))
