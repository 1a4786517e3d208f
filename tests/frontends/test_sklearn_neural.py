import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from foresql import certify
from foresql.certify.routes import ROUTES
from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir.steps import Function
from foresql.kernels.elementwise import FUNCTIONS

ROWS = 300
PROBES = 500
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
TWO = np.stack([NUMBER, RNG.normal(size=ROWS)], axis=1)
LABELS = {
    "booleans": NUMBER > 0,
    "texts": np.array(["late", "on time"])[(NUMBER > 0).astype(int)],
    "three integers": np.array([7, -3, 40])[np.digitize(NUMBER, [-1.0, 1.0])],
}
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_classifiers(activation, labels, agree, quietly):
    network = MLPClassifier((6, 4), activation=activation, max_iter=20, random_state=0)
    model = agree(quietly(lambda: network.fit(FRAME, LABELS[labels])), FRAME, rows=PROBES)
    assert list(model.outputs.classes) == np.unique(LABELS[labels]).tolist()


def test_label_of_an_even_chance(agree, quietly):
    network = quietly(lambda: MLPClassifier((3,), max_iter=2).fit(FRAME, LABELS["texts"]))
    network.coefs_[-1][:] = 0.0
    for intercept in (0.0, 5e-17, -5e-17, 1e-15):
        network.intercepts_[-1][:] = intercept
        agree(network, FRAME, rows=PROBES)
    assert set(network.predict(FRAME)) == {"on time"}


@pytest.mark.parametrize("target", [NUMBER, TWO], ids=["one target", "two targets"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_regressors(activation, target, agree, quietly):
    network = MLPRegressor(
        hidden_layer_sizes=(6,), activation=activation, max_iter=20, random_state=0
    )
    model = agree(quietly(lambda: network.fit(FRAME, target)), FRAME, rows=PROBES)
    assert len(model.outputs.prediction) == target.ndim


def test_regressor_with_an_exponential_output(agree, quietly):
    network = MLPRegressor(loss="poisson", hidden_layer_sizes=(), max_iter=20, random_state=0)
    agree(quietly(lambda: network.fit(FRAME, np.exp(NUMBER / 4))), FRAME, rows=PROBES)


@pytest.mark.parametrize("network", [MLPClassifier((4,)), MLPRegressor(hidden_layer_sizes=(4,))])
def test_narrow_weights_are_asked_and_answered_in_float64(network, quietly):
    frame = FRAME.astype(np.float32)
    quietly(lambda: network.set_params(max_iter=20).fit(frame, LABELS["three integers"]))
    assert network.coefs_[0].dtype == np.float32
    training = Training.of(frame, network)
    certificate = certify(convert(network, training), network, training, rows=PROBES)
    assert certificate.largest_difference < 1e-15


@pytest.mark.parametrize("labels", LABELS)
def test_pipelines_with_gaps_and_texts_on_every_route(labels, agree, quietly):
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    )
    frame = GAPS.assign(city=CITY)
    pipeline = make_pipeline(encode, MLPClassifier((5,), max_iter=20, random_state=0))
    quietly(lambda: pipeline.fit(frame, LABELS[labels]))
    agree(pipeline, frame, rows=PROBES, routes=tuple(ROUTES))


def test_restricted_boltzmann_machine(agree):
    machine = BernoulliRBM(3, n_iter=2, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), machine, LogisticRegression())
    agree(pipeline.fit(FRAME, LABELS["three integers"]), FRAME, rows=PROBES)


def test_sigmoid_is_scipy_s_expit():
    from scipy.special import expit

    ends = [0.0, np.inf, np.nan, 709.78, 709.8, 745.1, 745.2, 36.7, 5e-324, 1e308]
    scales = 10.0 ** RNG.uniform(-20, 3, 20_000)
    x = np.concatenate([ends, RNG.normal(0, 1, 20_000) * scales])
    x = np.concatenate([x, -x])
    with np.errstate(all="ignore"):
        ours, theirs = FUNCTIONS[Function.SIGMOID](x), expit(x)
    assert ours.tobytes() == theirs.tobytes()


REFUSED = [
    (MLPClassifier((3,), max_iter=2), TWO > 0, "several labels"),
    (MLPClassifier((3,), max_iter=2), np.ones(ROWS), "a single class"),
]


@pytest.mark.parametrize(("network", "target", "reason"), REFUSED, ids=lambda _: "")
def test_refusals(network, target, reason, quietly):
    quietly(lambda: network.fit(FRAME, target))
    with pytest.raises(UnsupportedModelError, match=f"MLPClassifier: .*{reason}"):
        convert(network, Training.of(FRAME, network))


def test_unknown_activation_is_refused(quietly):
    network = quietly(lambda: MLPRegressor(max_iter=2).fit(FRAME, NUMBER))
    network.activation = "swish"
    with pytest.raises(UnsupportedModelError, match="its activation 'swish' is not known"):
        convert(network, Training.of(FRAME, network))


def test_unfitted():
    for network in (MLPClassifier(), MLPRegressor(), PLSRegression()):
        with pytest.raises(UnsupportedModelError, match="not fitted"):
            convert(network, Training.of(FRAME))


PARTIAL = [
    PLSRegression(2),
    PLSRegression(1, scale=False),
    PLSCanonical(2),
    CCA(2),
]


@pytest.mark.parametrize("estimator", PARTIAL, ids=repr)
def test_partial_least_squares(estimator, agree, quietly):
    model = agree(quietly(lambda: estimator.fit(FRAME, TWO)), FRAME, rows=PROBES)
    assert len(model.outputs.prediction) == 2


def test_partial_least_squares_of_one_target(agree):
    model = agree(PLSRegression(3).fit(FRAME, NUMBER), FRAME, rows=PROBES)
    assert len(model.outputs.prediction) == 1


@pytest.mark.parametrize("transformer", [*PARTIAL, PLSSVD(2), PLSSVD(1, scale=False)], ids=repr)
def test_projections(transformer, agree, quietly):
    quietly(lambda: transformer.fit(FRAME, TWO))
    last = Ridge().fit(transformer.transform(FRAME), NUMBER)
    agree(make_pipeline(transformer, last), FRAME, rows=PROBES)
