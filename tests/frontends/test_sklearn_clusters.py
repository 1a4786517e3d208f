from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import (
    DBSCAN,
    HDBSCAN,
    AffinityPropagation,
    AgglomerativeClustering,
    Birch,
    BisectingKMeans,
    FeatureAgglomeration,
    KMeans,
    MeanShift,
    MiniBatchKMeans,
)
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql import CertificationError, certify
from foresql.certify.routes import ROUTES
from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

ROWS = 200
PROBES = 500
FEW = 10
RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "air time": RNG.normal(1.0, 2.0, ROWS),
        "dep.delay": RNG.gamma(2.0, 1.0, ROWS),
        "select": RNG.integers(-3, 4, ROWS),
        'a "Late"?': RNG.random(ROWS) < 0.4,
    }
)
GAPS = FRAME.astype(float).mask(RNG.random(FRAME.shape) < 0.1)
CITY = pd.Series(RNG.choice(["ATL", "bos", "Ö"], ROWS))
NUMBER = (FRAME["air time"] - FRAME["dep.delay"] + RNG.normal(0, 0.2, ROWS)).to_numpy()
LABELS = {
    "booleans": NUMBER > 0,
    "texts": np.array(["late", "on time"])[(NUMBER > 0).astype(int)],
    "three integers": np.array([7, -3, 40])[np.digitize(NUMBER, [-1.0, 1.0])],
}
GRID = pd.DataFrame(list(product(range(4), repeat=3)), columns=list("xyz"), dtype=float)
"""Integers, whose clusters have centers with the same distance to many points."""

CLUSTERERS = [
    KMeans(4, random_state=0),
    KMeans(3, algorithm="elkan", random_state=0),
    KMeans(1, random_state=0),
    MiniBatchKMeans(4, random_state=0),
    BisectingKMeans(5, random_state=0),
    BisectingKMeans(4, bisecting_strategy="largest_cluster", random_state=0),
    BisectingKMeans(1, random_state=0),
    Birch(n_clusters=3, threshold=1.0),
    Birch(n_clusters=None, threshold=2.0),
    MeanShift(bandwidth=2.0, bin_seeding=True),
    AffinityPropagation(random_state=0),
]


@pytest.mark.parametrize("clusterer", CLUSTERERS, ids=repr)
def test_clusterers(clusterer, agree, quietly):
    model = agree(quietly(lambda: clusterer.fit(FRAME)), FRAME, rows=PROBES, ties=FEW)
    assert set(clusterer.labels_.tolist()) == set(model.outputs.classes)


@pytest.mark.parametrize("clusterer", CLUSTERERS[::4], ids=repr)
def test_clusterers_of_one_column(clusterer, agree, quietly):
    frame = FRAME[["select"]]
    agree(quietly(lambda: clusterer.fit(frame)), frame, rows=PROBES, ties=FEW)


@pytest.mark.parametrize(
    "last", [KMeans(3, random_state=0), BisectingKMeans(3, random_state=0)], ids=repr
)
def test_pipelines_with_gaps_and_texts_on_every_route(last, agree):
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    )
    frame = GAPS.assign(city=CITY)
    agree(
        make_pipeline(encode, last).fit(frame), frame, rows=PROBES, ties=FEW, routes=tuple(ROUTES)
    )


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("kind", [KMeans, MeanShift, NearestCentroid])
def test_ties_between_exact_centers_go_to_the_first(kind, order):
    centers = np.array([[1.0, 1.0, 1.25], [3.0, 1.0, 1.25], [1.0, 3.0, 1.25]])[list(order)]
    estimator = kind().fit(GRID, *[np.arange(len(GRID)) % 3] * (kind is NearestCentroid))
    name = "centroids_" if kind is NearestCentroid else "cluster_centers_"
    setattr(estimator, name, np.ascontiguousarray(centers))
    training = Training.of(GRID, estimator)
    ours = Scorer(convert(estimator, training)).score(training.table).prediction[:, 0]
    gaps = ((GRID.to_numpy()[:, None, :] - centers) ** 2).sum(axis=2)
    assert (np.sort(gaps)[:, 0] == np.sort(gaps)[:, 1]).sum() > 10
    assert ours.tolist() == np.argmin(gaps, axis=1).tolist() == estimator.predict(GRID).tolist()


@pytest.mark.parametrize("clusters", [2, 3, 5])
@pytest.mark.parametrize("kind", [KMeans, BisectingKMeans])
def test_labels_differ_on_ties_alone(kind, clusters):
    """Of tenths, the processor decides which of two equal distances is the smaller one."""
    frame = GRID * 0.1
    for seed in range(2):
        estimator = kind(clusters, n_init=1, random_state=seed).fit(frame)
        training = Training.of(frame, estimator)
        try:
            certify(
                convert(estimator, training), estimator, training, rows=PROBES, routes=("kernel",)
            )
        except CertificationError as error:
            if "lies on a tie between the labels" not in str(error):
                raise


def test_distances_of_a_row_major_matrix_differ_on_ties_alone():
    """Behind a ColumnTransformer the library compares squares, and roots of a DataFrame."""
    frame = FRAME[["air time", "dep.delay"]]
    encode = make_column_transformer((StandardScaler(), list(frame)))
    pipeline = make_pipeline(encode, Birch(n_clusters=None, threshold=0.5)).fit(frame)
    training = Training.of(frame, pipeline)
    certificate = certify(convert(pipeline, training), pipeline, training, rows=PROBES)
    assert certificate.ties < PROBES / 5  # of rows with values of up to 1e16


@pytest.mark.parametrize(
    "transformer",
    [
        KMeans(4, random_state=0),
        MiniBatchKMeans(3, random_state=0),
        BisectingKMeans(3, random_state=0),
        Birch(n_clusters=None, threshold=2.0),
        FeatureAgglomeration(2),
        FeatureAgglomeration(1),
    ],
    ids=repr,
)
def test_transformers(transformer, agree):
    pipeline = make_pipeline(StandardScaler(), transformer, Ridge()).fit(FRAME, NUMBER)
    agree(pipeline, FRAME, rows=PROBES)


CENTROIDS = [
    NearestCentroid(),
    NearestCentroid(priors="empirical"),
    NearestCentroid(shrink_threshold=0.3),
    NearestCentroid(metric="manhattan"),
    NearestCentroid(metric="manhattan", priors="empirical"),
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("estimator", CENTROIDS, ids=repr)
def test_nearest_centroid(estimator, labels, agree, quietly):
    target = LABELS[labels]
    model = agree(quietly(lambda: estimator.fit(FRAME, target)), FRAME, rows=PROBES, ties=FEW)
    assert list(model.outputs.classes) == np.unique(target).tolist()
    assert bool(model.outputs.probabilities) is (estimator.metric == "euclidean")


def test_nearest_centroid_of_flat_columns(agree, quietly):
    frame = FRAME.assign(flat=LABELS["booleans"] * 2.5) * 0.1
    estimator = quietly(lambda: NearestCentroid().fit(frame, LABELS["booleans"]))
    assert estimator.within_class_std_dev_[-1] == 0
    agree(estimator, frame, rows=PROBES, ties=FEW)


def narrow():
    return KMeans(2, random_state=0).fit(FRAME.astype(np.float32))


def affinities():
    square = FRAME.iloc[:20, :1].to_numpy()
    frame = pd.DataFrame(-np.abs(square - square.T)).rename(columns=str)
    return AffinityPropagation(affinity="precomputed", random_state=0).fit(frame), frame


def test_refusals():
    estimator = narrow()
    with pytest.raises(ValueError, match="dtype"):
        estimator.predict(FRAME.astype(float))
    with pytest.raises(UnsupportedModelError, match="its centers are float32"):
        convert(estimator, Training.of(FRAME, estimator))
    estimator, frame = affinities()
    with pytest.raises(UnsupportedModelError, match="it has no centers to compare with"):
        convert(estimator, Training.of(frame, estimator))
    pool = FeatureAgglomeration(2, pooling_func=np.max).fit(FRAME)
    pipeline = make_pipeline(pool, Ridge().fit(pool.transform(FRAME), NUMBER))
    with pytest.raises(UnsupportedModelError, match=r"pooling_func=.* has no exact translation"):
        convert(pipeline, Training.of(FRAME, pipeline))
    sparse = make_pipeline(OneHotEncoder(), KMeans(2, random_state=0)).fit(FRAME[["select"]])
    with pytest.raises(UnsupportedModelError, match="KMeans: it is given a sparse matrix"):
        convert(sparse, Training.of(FRAME[["select"]], sparse))


@pytest.mark.parametrize("estimator", [KMeans(), Birch(), MeanShift(), NearestCentroid()], ids=repr)
def test_unfitted(estimator):
    with pytest.raises(UnsupportedModelError, match=r"not fitted|no centers"):
        convert(estimator, Training.of(FRAME))


@pytest.mark.parametrize("estimator", [AgglomerativeClustering(), DBSCAN(), HDBSCAN(copy=True)])
def test_clusterers_that_label_no_new_rows_are_refused(estimator):
    with pytest.raises(UnsupportedModelError, match="has no predict for others"):
        convert(estimator.fit(FRAME), Training.of(FRAME, estimator))
