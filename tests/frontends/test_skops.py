import io
import json
import zipfile
from importlib import import_module

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skops.io
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestRegressor, StackingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import LabelPropagation

import foresql
from foresql.errors import BundleError, CertificationError, ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.frontends.skops import keep_whole
from foresql.ir import steps as s
from foresql.ir.codec import decode_model, encode_model
from foresql.ir.skops_file import check_skops
from foresql.kernels import Scorer

ROWS = 120
RNG = np.random.default_rng(8)
FRAME = pd.DataFrame(RNG.normal(size=(ROWS, 3)), columns=list("abc"))
TARGET = FRAME["a"] * 3 + np.sin(FRAME["b"])
CLASSES = np.digitize(TARGET, [-1.0, 1.0])
MIXED = FRAME.assign(
    rooms=RNG.integers(1, 9, ROWS),
    new=RNG.random(ROWS) < 0.5,
    city=RNG.choice(["Bonn", "Kiel", "Ulm"], ROWS),
)


def kept(estimator, like, *, rows=200, routes=("reloaded",)):
    """Keep a fitted estimator whole, hold it against itself, and give the model."""
    training = Training.of(like, estimator)
    model = keep_whole(estimator, training)
    certificate = foresql.certify(model, estimator, training, rows=rows, routes=routes)
    assert certificate.rows >= rows
    assert [type(step) for step in model.steps] == [s.Skops]
    return model


KERNEL = ConstantKernel() * RBF() + WhiteKernel()


@pytest.mark.parametrize("make", [pd.DataFrame, np.asarray, pl.DataFrame], ids=str)
def test_regression(make, quietly):
    like = make(FRAME)
    model = kept(
        quietly(lambda: GaussianProcessRegressor(KERNEL, optimizer=None).fit(like, TARGET)), like
    )
    assert model.steps[0].named == (make is not np.asarray)
    assert "sklearn.gaussian_process.kernels.WhiteKernel" in model.steps[0].types


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [4, 2], [0.5, 2.5]], ids=str)
def test_two_classes(labels):
    truth = np.array(labels)[(CLASSES > 0).astype(int)]
    model = kept(GaussianProcessClassifier(optimizer=None).fit(FRAME, truth), FRAME)
    assert model.outputs.classes == tuple(sorted(labels))
    assert len(model.outputs.probabilities) == 2


def test_three_classes():
    model = kept(LabelPropagation(max_iter=5000).fit(FRAME, CLASSES), FRAME)
    assert len(model.outputs.probabilities) == 3
    assert not model.outputs.margins


def test_raw_scores_and_several_targets():
    model = kept(LogisticRegression().fit(FRAME, CLASSES), FRAME)
    assert len(model.outputs.margins) == 3
    targets = np.stack([TARGET, -TARGET], axis=1)
    assert len(kept(Ridge().fit(FRAME, targets), FRAME).outputs.prediction) == 2


def mixed_pipeline():
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), make_column_selector(dtype_include=object)),
        (StandardScaler(), ["a", "rooms"]),
        ("passthrough", ["new"]),
    )
    return make_pipeline(columns, GaussianProcessRegressor(alpha=0.1, optimizer=None))


def test_columns_of_all_types_by_name():
    frame = MIXED.astype({"city": object})
    model = kept(mixed_pipeline().fit(frame, TARGET), frame)
    kinds = dict(zip(model.steps[0].inputs, model.steps[0].cells, strict=True))
    assert kinds["rooms"] is s.Cell.INTEGER
    assert (kinds["new"], kinds["city"]) == (s.Cell.TRUTH, s.Cell.TEXT)


def test_transformers_that_join_frames_by_their_index():
    columns = make_column_transformer((StandardScaler(), ["a"]), (StandardScaler(), ["b"]))
    pipeline = make_pipeline(columns.set_output(transform="pandas"), Ridge())
    kept(pipeline.fit(FRAME[["a", "b"]], TARGET), FRAME[["a", "b"]])


@pytest.mark.parametrize("missing", [None, np.nan], ids=str)
def test_texts_that_are_missing(missing):
    frame = MIXED[["a", "city"]].astype({"city": object})
    frame.loc[::5, "city"] = missing
    columns = make_column_transformer((OneHotEncoder(sparse_output=False), ["city"]))
    pipeline = make_pipeline(columns, GaussianProcessRegressor(alpha=0.1, optimizer=None)).fit(
        frame, TARGET
    )
    cell = s.Cell.TEXT_OR_NONE if missing is None else s.Cell.TEXT
    assert kept(pipeline, frame).steps[0].cells[1] is cell


def test_texts_themselves():
    """Words that training never saw reach the estimator too: there is no list of keys."""
    frame = pd.DataFrame({"t": ["red cat", "blue cat", "red dog", "one bird"] * 20})
    columns = make_column_transformer((TfidfVectorizer(), "t"), sparse_threshold=0)
    pipeline = make_pipeline(columns, GaussianProcessRegressor(alpha=0.1, optimizer=None))
    pipeline.fit(frame, np.arange(80.0) % 4)
    model = kept(pipeline, frame)
    fresh = pd.DataFrame({"t": ["dog dog cat", "bird", "nothing of it", "blue dog"]})
    ours = Scorer(model).score(pa.Table.from_pandas(fresh)).prediction[:, 0]
    assert np.array_equal(ours, pipeline.predict(fresh))


def test_a_row_has_the_same_bits_alone_and_in_any_batch():
    """By itself a BLAS multiplies one row otherwise: this model's last bits then differ."""
    estimator = GaussianProcessRegressor(alpha=0.1, optimizer=None).fit(FRAME, TARGET)
    scorer = Scorer(keep_whole(estimator, Training.of(FRAME, estimator)))
    table = pa.Table.from_pandas(pd.concat([FRAME] * 3))
    whole = scorer.score(table).prediction
    for size in (20, 255, 256, 257):
        parts = [scorer.score(table.slice(at, size)).prediction for at in range(0, 3 * ROWS, size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert scorer.score(table.slice(3, 1)).prediction.tobytes() == whole[3:4].tobytes()
    assert scorer.score(table.slice(0, 0)).prediction.shape == (0, 1)


def test_rows_that_the_library_refuses_are_refused():
    estimator = GaussianProcessRegressor(alpha=0.1, optimizer=None).fit(FRAME, TARGET)
    scorer = Scorer(keep_whole(estimator, Training.of(FRAME, estimator)))
    with pytest.raises(ScoringError, match="scikit-learn refuses rows: Input X contains NaN"):
        scorer.score(pa.Table.from_pandas(FRAME.assign(a=np.nan)))


def test_a_search_is_kept_as_what_it_found():
    search = GridSearchCV(GaussianProcessRegressor(optimizer=None), {"alpha": [0.1, 0.2]}, cv=2)
    model = kept(search.fit(FRAME, TARGET), FRAME)
    assert not any("model_selection" in name for name in model.steps[0].types)


def test_chosen_where_there_is_no_converter_and_on_request_only(monkeypatch):
    converters = import_module("foresql.frontends.sklearn.linear_model")
    ridge = Ridge().fit(FRAME, TARGET)
    training = Training.of(FRAME, ridge)
    assert [type(step) for step in convert(ridge, training, opaque=True).steps] != [s.Skops]
    monkeypatch.delitem(converters.PREDICTORS, "Ridge")
    with pytest.raises(UnsupportedModelError, match="keep the model whole with opaque=True"):
        convert(ridge, training)
    assert [type(step) for step in convert(ridge, training, opaque=True).steps] == [s.Skops]
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(FRAME, TARGET)
    whole = convert(pipeline, Training.of(FRAME, pipeline), opaque=True)
    assert [type(step) for step in whole.steps] == [s.Skops]


def test_what_is_refused_for_a_reason_is_not_kept():
    several = MultiOutputClassifier(LogisticRegression()).fit(
        FRAME, np.stack([CLASSES, CLASSES], axis=1)
    )
    with pytest.raises(UnsupportedModelError, match="several labels"):
        convert(several, Training.of(FRAME, several), opaque=True)
    with pytest.raises(UnsupportedModelError, match="several labels"):
        keep_whole(several, Training.of(FRAME, several))


@pytest.fixture
def no_converter(monkeypatch):
    """Forget how logistic regressions are translated."""
    monkeypatch.delitem(import_module("foresql.frontends.sklearn.linear_model").PREDICTORS, NAME)


NAME = "LogisticRegression"


@pytest.mark.usefixtures("no_converter")
def test_published_and_called_in_duckdb(tmp_path):
    estimator = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["city"]), ("passthrough", ["a", "rooms", "new"])
        ),
        LogisticRegression(max_iter=1000),
    ).fit(MIXED, np.where(CLASSES > 0, "yes", "no"))
    with pytest.raises(UnsupportedModelError, match="opaque=True"):
        foresql.publish("town", estimator, like=MIXED, registry=tmp_path)
    published = foresql.publish(
        "town", estimator, like=MIXED, registry=tmp_path, probe_rows=500, opaque=True
    )
    assert published.needs.keys() == {"scikit-learn"}
    card = foresql.open_model("town:1", tmp_path).bundle.card
    assert card["kept_whole"] == {"as": "skops", "needs": published.needs, "types": []}
    with duckdb.connect() as connection:
        connection.register("seen", pa.Table.from_pandas(MIXED))
        connection.execute("CREATE TABLE homes AS FROM seen")
        registration = foresql.register(connection, "town:1", registry=tmp_path)
        found = connection.execute(
            "SELECT predict_town(h), predict_proba_town(h) FROM homes h "
            "WHERE predict_town(h) IN ('yes', 'no')"
        ).fetchall()
        assert registration.rows_scored == ROWS
        with pytest.raises(duckdb.Error, match="Found unknown categories"):
            connection.execute("SELECT predict_town(0.5, 1, 2, 3, true, 'Rom')").fetchall()
    assert [label for label, _ in found] == estimator.predict(MIXED).tolist()
    theirs = estimator.predict_proba(MIXED)[:, 1]
    assert np.abs([share for _, share in found] - theirs).max() < 1e-14


class Doubler(BaseEstimator, TransformerMixin):
    def fit(self, x, y=None):  # noqa: ARG002 - scikit-learn's signature
        return self

    def transform(self, x):
        return 2 * x


def refused(estimator, message, like=FRAME):
    with pytest.raises(UnsupportedModelError, match=message):
        keep_whole(estimator, Training.of(like, estimator))


def test_refused_estimators(quietly):
    mine = make_pipeline(Doubler(), Ridge()).fit(FRAME, TARGET)
    refused(mine, "Doubler is not of scikit-learn, and its code is not in the file")
    trees = StackingRegressor([("f", RandomForestRegressor(2))], Ridge()).fit(FRAME, TARGET)
    refused(trees, "sklearn.tree._tree.Tree follows indices that a forged file")
    neighbours = RadiusNeighborsClassifier(9.0).fit(FRAME, CLASSES)
    refused(neighbours, "fit it with algorithm='brute'")
    sparse = make_pipeline(OneHotEncoder(), RadiusNeighborsClassifier(9.0, algorithm="brute"))
    refused(sparse.fit(MIXED[["city"]], CLASSES), r"sparse matrix, scipy\.sparse", MIXED[["city"]])
    refused(StandardScaler().fit(FRAME), "it has no predict")
    dated = MIXED.assign(when=pd.Timestamp("2020-01-01"))
    scaled = make_pipeline(make_column_transformer(("passthrough", ["a"])), Ridge())
    refused(scaled.fit(dated, TARGET), "column 'when' is timestamp", dated)
    text = FRAME.astype(object).assign(a="1").to_numpy()
    refused(quietly(lambda: Ridge().fit(text, TARGET)), "text as columns of a DataFrame", text)


def test_brute_force_neighbours_are_kept():
    kept(RadiusNeighborsClassifier(99.0, algorithm="brute").fit(FRAME, CLASSES), FRAME)


def test_an_estimator_whose_answer_depends_on_the_other_rows_is_not_published(monkeypatch):
    estimator = Ridge().fit(FRAME, TARGET)
    plain = Ridge.predict
    monkeypatch.setattr(Ridge, "predict", lambda self, x: plain(self, x - np.mean(x, axis=0)))
    training = Training.of(FRAME, estimator)
    model = keep_whole(estimator, training)
    with pytest.raises(CertificationError, match="differs from the library in the prediction"):
        foresql.certify(model, estimator, training, rows=500, routes=("kernel",))


# What a forged file can say. Nothing is ever built from it.


def forged(change=None, *, members=None, compression=zipfile.ZIP_STORED):
    """Write a dumped Ridge again, its schema changed and members added."""
    content = skops.io.dumps(Ridge().fit(FRAME, TARGET))
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json" and change is not None:
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema)
            new.writestr(name, data, compress_type=compression)
        for name, data in (members or {}).items():
            new.writestr(name, data)
    return target.getvalue()


def attribute(**node):
    def change(schema):
        schema["content"]["content"]["alpha"] = node

    return change


def node(loader, path, **more):
    module, _, name = path.rpartition(".")
    return attribute(__loader__=loader, __module__=module, __class__=name, **more)


def header(shape, descr="<f8"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


NONE = {"__loader__": "TupleNode", "__module__": "builtins", "__class__": "tuple", "content": []}
TWO = NONE | {"content": [NONE, NONE]}


def with_a_twin(schema):
    attributes = schema["content"]["content"]
    attributes["alpha"] = TWO | {"__id__": 77}
    attributes["tol"] = NONE | {"__id__": 77}


FORGED = {
    "a function that runs commands": (
        forged(node("FunctionNode", "os.system")),
        "os.system is not of scikit-learn",
    ),
    "its other name": (forged(node("FunctionNode", "posix.system")), "posix.system is not"),
    "a class of somebody": (
        forged(node("ObjectNode", "mypackage.MyTransformer")),
        "mypackage.MyTransformer is not of scikit-learn",
    ),
    "a method": (
        forged(node("MethodNode", "sklearn.pipeline.Pipeline", content={})),
        "built by MethodNode",
    ),
    "a partial": (forged(node("PartialNode", "functools.partial")), "functools.partial is not"),
    "a call": (
        forged(node("ConstructorFromReduceNode", "numpy.memmap", content=TWO)),
        "built by ConstructorFromReduceNode",
    ),
    "an operator": (forged(node("OperatorFuncNode", "operator.attrgetter")), "operator.attrgetter"),
    "an older protocol": (forged(lambda schema: schema.update(protocol=0)), "not of protocol 2"),
    "one object with two descriptions": (forged(with_a_twin), "the same __id__, and differ"),
    "a reference to another part": (forged(attribute(__id__=3)), "None.None is not"),
    "a vectorizer of files": (
        forged(
            node(
                "ObjectNode",
                "sklearn.feature_extraction.text.TfidfVectorizer",
                content={"content": {"input": {"content": '"filename"'}}},
            )
        ),
        "TfidfVectorizer reads files",
    ),
    "objects in two dimensions": (
        forged(node("NdArrayNode", "numpy.ndarray", type="json", content=[], shape=TWO)),
        "array of objects with several dimensions",
    ),
    "an array that is not there": (
        forged(node("NdArrayNode", "numpy.ndarray", type="numpy", file="no.npy")),
        "cannot be read: 'no.npy'",
    ),
    "a zip bomb": (forged(compression=zipfile.ZIP_DEFLATED), "members are compressed"),
    "a huge array": (forged(members={"z.npy": header((2**40,))}), "declares .1099511627776,."),
    "a pickle": (forged(members={"z.npy": header((1,), "|O") + b"cos\n"}), "of object in 4 bytes"),
    "no array": (forged(members={"run.py": b"import os"}), "cannot be read"),
    "no zip": (b"PK", "cannot be read"),
    "no schema": (bytes(22), "cannot be read"),
}


@pytest.mark.parametrize(("content", "message"), FORGED.values(), ids=FORGED)
def test_forged_files(content, message):
    estimator = Ridge().fit(FRAME, TARGET)
    document, arrays = encode_model(keep_whole(estimator, Training.of(FRAME, estimator)))
    arrays["0.file"] = np.frombuffer(content, np.uint8)
    with pytest.raises(BundleError, match=message):
        decode_model(document, arrays)


def test_the_forger_forges_nothing_by_itself():
    check_skops(forged(), ())


@pytest.mark.parametrize("name", ["builtins.eval", "numpy.f2py.compile", "sklearn.base.clone"])
def test_functions_of_trusted_libraries_are_not_trusted(name):
    """They pass for what scikit-learn could hold; skops builds none that is not declared."""
    model = kept(Ridge().fit(FRAME, TARGET), FRAME, routes=())
    document, arrays = encode_model(model)
    arrays["0.file"] = np.frombuffer(forged(node("FunctionNode", name)), np.uint8)
    with pytest.raises(BundleError, match=f"cannot be loaded: .*{name}"):
        Scorer(decode_model(document, arrays))
    document["steps"][0]["types"] = [name]
    with pytest.raises(BundleError, match=f"{name} is not known to do nothing but compute"):
        decode_model(document, arrays)


def test_types_that_are_not_declared_are_refused():
    estimator = GaussianProcessRegressor(RBF(), optimizer=None).fit(FRAME, TARGET)
    model = keep_whole(estimator, Training.of(FRAME, estimator))
    document, arrays = encode_model(model)
    document["steps"][0]["types"] = []
    with pytest.raises(BundleError, match=r"kernels\.RBF"):
        Scorer(decode_model(document, arrays))


def test_another_scikit_learn_is_refused():
    estimator = Ridge().fit(FRAME, TARGET)
    document, arrays = encode_model(keep_whole(estimator, Training.of(FRAME, estimator)))
    document["steps"][0]["release"] = "1.4.2"
    with pytest.raises(BundleError, match=r"as scikit-learn 1\.4\.2 made it, and here is"):
        Scorer(decode_model(document, arrays))
