"""Files of CatBoost, ONNX and skops become versions as those of the others do."""

from pathlib import Path

import catboost as cb
import numpy as np
import pytest
import skops.io
from examples import amounts, classes, keys, numbers
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor

import foresql
from foresql import ForesqlError, UnsupportedModelError
from foresql.scoring import open_model

PROBES = 200
FEW = {"iterations": 5, "verbose": False, "allow_writing_files": False, "thread_count": 1}
FRAME = numbers()
TEXT = keys().astype(object).assign(x=FRAME["a"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("files")
    plain = cb.CatBoostClassifier(**FEW).fit(FRAME, classes(FRAME))
    plain.save_model(str(path / "plain.cbm"))
    plain.save_model(str(path / "plain.cb"))
    plain.save_model(str(path / "plain.json"), format="json")
    text = cb.CatBoostRegressor(**FEW, cat_features=["k", "l"]).fit(TEXT, amounts(TEXT))
    text.save_model(str(path / "text.cbm"))
    net = MLPRegressor(hidden_layer_sizes=(5,), tol=1.0).fit(FRAME, amounts(FRAME))
    graph = to_onnx(net, FRAME.to_numpy(np.float32)[:1])
    (path / "net.onnx").write_bytes(graph.SerializeToString())
    for name, estimator in (
        ("linear", LogisticRegression()),
        ("process", GaussianProcessClassifier()),
        ("forest", RandomForestClassifier(2)),
    ):
        skops.io.dump(estimator.fit(FRAME, classes(FRAME)), path / f"{name}.skops")
    return path


@pytest.fixture
def bring(folder, tmp_path):
    def run(file, **options):
        return foresql.import_model(
            folder / file, registry=tmp_path / "registry", probe_rows=PROBES, **options
        )

    return run


@pytest.mark.parametrize(
    ("name", "like", "steps"),
    [
        ("plain.cbm", None, {"Require", "Forest", "Argmax", "Softmax"}),
        ("plain.cb", FRAME, {"Require", "Forest", "Argmax", "Softmax"}),
        ("text.cbm", TEXT, {"Forest", "Lookup"}),
        ("net.onnx", None, {"Onnx"}),
        ("net.onnx", FRAME, {"Onnx"}),
        ("linear.skops", FRAME, {"Dot"}),
        ("process.skops", FRAME, {"Skops"}),
    ],
)
def test_a_file_becomes_a_version(bring, tmp_path, name, like, steps):
    made = bring(name, like=like)
    assert made.certificate.reference == "library"
    assert made.certificate.rows >= PROBES
    model = open_model(made.reference, tmp_path / "registry").bundle.model
    assert steps & {type(step).__name__ for step in model.steps}


@pytest.mark.parametrize(
    ("name", "like", "reason"),
    [
        ("plain.json", None, "other last digits than it wrote"),
        ("text.cbm", None, "hashes of its categories"),
        ("linear.skops", None, "types of its columns"),
        ("forest.skops", FRAME, "Tree"),
    ],
)
def test_what_cannot_be_confirmed(bring, tmp_path, name, like, reason):
    with pytest.raises(UnsupportedModelError, match=reason):
        bring(name, like=like)
    assert not list((tmp_path / "registry").rglob("*.foresql"))


def test_json_of_catboost_without_its_library(bring, tmp_path):
    made = bring("plain.json", uncertified=True)
    assert made.certificate.reference == "kernel"
    model = open_model(made.reference, tmp_path / "registry").bundle.model
    other = bring("plain.cbm", name="other")
    again = open_model(other.reference, tmp_path / "registry").bundle.model
    forests = [
        next(step for step in each.steps if type(step).__name__ == "Forest")
        for each in (model, again)
    ]
    assert forests[0].trees.value.tobytes() == forests[1].trees.value.tobytes()


@pytest.mark.parametrize("ending", [".cbm", ".cb", ".onnx", ".skops", ".json"])
@pytest.mark.parametrize("content", [b"", b"abc", b"PK\3\4junk", b"CBM1junk", b"\x08\x01junk" * 9])
def test_what_is_no_model(tmp_path, ending, content):
    path = tmp_path / f"junk{ending}"
    path.write_bytes(content)
    with pytest.raises(ForesqlError):
        foresql.import_model(path, like=FRAME, registry=tmp_path / "registry")


def test_a_file_of_skops_without_an_estimator(tmp_path):
    skops.io.dump({"a": 1}, tmp_path / "d.skops")
    with pytest.raises(UnsupportedModelError, match="a dict, which does not predict"):
        foresql.import_model(tmp_path / "d.skops", like=FRAME, registry=tmp_path / "registry")


@pytest.mark.parametrize("iterations", ["x", 1.5, True, 0])
def test_iterations_that_are_none(bring, iterations, tmp_path):
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(n_estimators=3, verbose=-1).fit(FRAME, amounts(FRAME))
    model.booster_.save_model(tmp_path / "m.txt")
    with pytest.raises(UnsupportedModelError, match="whole number of iterations, from 1"):
        bring(tmp_path / "m.txt", iterations=iterations)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": 5}, "is a pair"),
        ({"calibration": (FRAME, ["x"] * len(FRAME))}, "is a pair"),
        ({"probe_rows": 0}, "at least 1"),
        ({"probe_rows": "x"}, "at least 1"),
        ({"metrics": {"a": "b"}}, "metric 'a' is b"),
    ],
)
def test_options_of_publish_that_are_none(tmp_path, options, message):
    model = LinearRegression().fit(FRAME, amounts(FRAME))
    with pytest.raises(ForesqlError, match=message):
        foresql.publish("m", model, like=FRAME, registry=tmp_path / "registry", **options)
    assert not list((tmp_path / "registry").rglob("*.foresql"))


def test_a_class_is_no_model(tmp_path):
    with pytest.raises(UnsupportedModelError, match="LinearRegression is a class"):
        foresql.publish("m", LinearRegression, like=FRAME, registry=tmp_path / "registry")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe_rows": 0, "uncertified": True}, "at least 1"),
        ({"metrics": {"a": float("nan")}}, "metric 'a' is nan"),
    ],
)
def test_options_of_import_that_are_none(folder, tmp_path, options, message):
    registry = tmp_path / "registry"
    with pytest.raises(ForesqlError, match=message):
        foresql.import_model(folder / "plain.cbm", registry=registry, **options)
    assert not list(registry.rglob("*.foresql"))
