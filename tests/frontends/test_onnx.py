import duckdb
import numpy as np
import onnx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import foresql
from foresql.certify.oracle import ask_library
from foresql.errors import CertificationError, ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert, read_onnx
from foresql.ir import ColumnType
from foresql.ir import steps as s
from foresql.kernels import Scorer

ROWS = 300
RNG = np.random.default_rng(5)
FRAME = pd.DataFrame(RNG.normal(size=(ROWS, 4)), columns=list("abcd"))
TARGET = FRAME["a"] * 3 + FRAME["b"] ** 2
CLASSES = np.digitize(TARGET, [0.0, 3.0])
SINGLE = FRAME.to_numpy(np.float32)
NO_MAPS = {"zipmap": False}


def exported(model, **options):
    return to_onnx(model, SINGLE[:1], **options)


def graph_of(nodes, inputs, outputs, weights=(), *, rows="rows"):
    def info(name, kind, *shape):
        return helper.make_tensor_value_info(name, kind, [rows, *shape])

    tensors = [
        tensor if isinstance(tensor, onnx.TensorProto) else numpy_helper.from_array(*tensor[::-1])
        for tensor in weights
    ]
    graph = helper.make_graph(
        nodes, "g", [info(*each) for each in inputs], [info(*each) for each in outputs], tensors
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


@pytest.mark.parametrize(
    "regressor",
    [
        MLPRegressor(hidden_layer_sizes=(33, 17), max_iter=30, random_state=0),
        GradientBoostingRegressor(n_estimators=10, random_state=0),
    ],
    ids=lambda each: type(each).__name__,
)
def test_regression(regressor, agree, quietly):
    quietly(lambda: regressor.fit(SINGLE, TARGET))
    ours = foresql.OnnxModel(exported(regressor))
    model = agree(ours, FRAME)
    assert [type(step) for step in model.steps] == [s.Onnx]
    theirs = regressor.predict(SINGLE)
    assert np.abs(ours.predict(FRAME) - theirs).max() < 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("labels", [[0, 1, 2], ["low", "mid", "tall"], [7, 5, 3]], ids=str)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "kind", [LogisticRegression, RandomForestClassifier, MLPClassifier], ids=lambda k: k.__name__
)
def test_classification(kind, classes, labels, agree, quietly):
    options = {"n_estimators": 5, "max_depth": 4} if kind is RandomForestClassifier else {}
    truth = np.array(labels)[np.minimum(CLASSES, classes - 1)]
    classifier = quietly(lambda: kind(**options).fit(SINGLE, truth))
    file = exported(classifier, options=NO_MAPS)
    named = None if kind is not MLPClassifier else classifier.classes_
    ours = foresql.OnnxModel(file, classes=named)
    model = agree(ours, FRAME)
    assert model.outputs.classes == tuple(classifier.classes_.tolist())
    assert (ours.predict(FRAME) == classifier.predict(SINGLE)).mean() > 0.99
    assert np.abs(ours.predict_proba(FRAME) - classifier.predict_proba(SINGLE)).max() < 1e-5


MIXED = pd.DataFrame(
    {
        "size": RNG.normal(size=ROWS),
        "rooms": RNG.integers(1, 9, ROWS),
        "new": RNG.random(ROWS) < 0.5,
        "city": RNG.choice(["Bonn", "Kiel", "Ulm", "Übach"], ROWS),
    }
)


def per_column():
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    pipeline = make_pipeline(
        make_column_transformer((encoder, ["city"]), (StandardScaler(), ["size", "rooms"])),
        LogisticRegression(),
    ).fit(MIXED[["city", "size", "rooms"]], MIXED["city"] > "K")
    types = [
        ("city", StringTensorType([None, 1])),
        ("size", FloatTensorType([None, 1])),
        ("rooms", Int64TensorType([None, 1])),
    ]
    return to_onnx(pipeline, initial_types=types, options=NO_MAPS)


def test_an_input_a_column_takes_it_by_name(agree):
    model = agree(foresql.OnnxModel(per_column(), classes=[False, True]), MIXED)
    assert model.signature.names == ("city", "size", "rooms")
    (onnx_step,) = (step for step in model.steps if isinstance(step, s.Onnx))
    assert onnx_step.cells == (s.Cell.TEXT, s.Cell.NUMBER, s.Cell.INTEGER)


@pytest.mark.parametrize("column", ["city", "rooms"])
def test_what_the_type_cannot_hold_missing_is_refused(column):
    estimator = foresql.OnnxModel(per_column(), classes=[False, True])
    scorer = Scorer(convert(estimator, Training.of(MIXED, estimator)))
    table = pa.Table.from_pandas(MIXED[:3])
    assert scorer.score(table).prediction.shape == (3, 1)
    place = table.column_names.index(column)
    missing = table.set_column(place, column, pa.nulls(3, table.schema.field(column).type))
    with pytest.raises(ScoringError, match=f"'{column}' is NULL in a row, and OnnxModel"):
        scorer.score(missing)
    frame = MIXED[:3].astype({column: object})
    frame[column] = None
    assert "missing" in ask_library(estimator, frame)


def hand_made():
    """Two layers with a normalisation between them, and a softmax."""
    weights = [
        ("w", RNG.normal(size=(4, 24)).astype(np.float32)),
        ("b", RNG.normal(size=24).astype(np.float32)),
        *((name, RNG.random(24).astype(np.float32) + 0.5) for name in ("s", "t", "m", "v")),
        ("u", RNG.normal(size=(24, 3)).astype(np.float32)),
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("BatchNormalization", ["r", "s", "t", "m", "v"], ["n"]),
        helper.make_node("MatMul", ["n", "u"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"]),
    ]
    inputs, outputs = [("x", TensorProto.FLOAT, 4)], [("y", TensorProto.FLOAT, 3)]
    return graph_of(nodes, inputs, outputs, weights)


def test_probabilities_alone_with_names_for_the_classes(agree):
    net = foresql.OnnxModel(hand_made(), classes=["a", "b", "c"])
    model = agree(net, FRAME)
    assert [type(step) for step in model.steps] == [s.Onnx, s.Argmax]
    assert set(net.predict(FRAME)) <= {"a", "b", "c"}


def test_probabilities_alone_without_names_are_values(agree):
    assert len(agree(foresql.OnnxModel(hand_made()), FRAME).outputs.prediction) == 3


@pytest.mark.parametrize(
    "kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32]
)
def test_a_type_decides_the_cast(kind, agree):
    """2**24 + 1 has no float32, and 2**53 + 1 no float64: both are rounded as numpy rounds."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    file = graph_of(nodes, [("x", kind, 1)], [("y", kind, 1)])
    frame = pd.DataFrame({"x": [2**24 + 1, 2**53 + 1, -(2**31), 3] * 50})
    ours = foresql.OnnxModel(file)
    agree(ours, frame)
    kinds = {1: np.float32, 11: np.float64, 7: np.int64, 6: np.int32}
    assert ours.predict(frame).tolist() == frame["x"].to_numpy().astype(kinds[kind]).tolist()


def test_floats_beyond_float32_are_infinite():
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    file = graph_of(nodes, [("x", TensorProto.FLOAT, 1)], [("y", TensorProto.FLOAT, 1)])
    frame = pd.DataFrame({"x": [1e300, -1e39, np.nan, 0.1] * 50})
    estimator = foresql.OnnxModel(file)
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    assert foresql.certify(model, estimator, training, rows=500).largest_difference == 0
    ours = Scorer(model).score(training.table).prediction[:, 0]
    expected = [np.inf, -np.inf, np.nan, np.float32(0.1)] * 50
    assert np.array_equal(ours, expected, equal_nan=True)


def test_truths_and_one_axis(agree):
    nodes = [
        helper.make_node("Not", ["new"], ["n"]),
        helper.make_node("Cast", ["n"], ["y"], to=TensorProto.DOUBLE),
    ]
    file = graph_of(nodes, [("new", TensorProto.BOOL)], [("y", TensorProto.DOUBLE)])
    model = agree(foresql.OnnxModel(file), MIXED)
    assert model.signature.names == ("new",)


@pytest.mark.parametrize("make", [pl.DataFrame, pa.Table.from_pandas], ids=["polars", "arrow"])
def test_frames_of_other_kinds(make, agree):
    agree(foresql.OnnxModel(per_column(), classes=[False, True]), make(MIXED))
    assert Training.of(make(MIXED)).signature["rooms"].type is ColumnType.BIGINT


def test_a_matrix(agree):
    agree(foresql.OnnxModel(hand_made()), FRAME.to_numpy())


@pytest.mark.parametrize("read", [bytes, str, "path"])
def test_sources(tmp_path, read):
    file = hand_made().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(file)
    source = {bytes: file, str: str(path), "path": path}[read]
    assert foresql.OnnxModel(source).predict(FRAME[:2]).shape == (2, 3)


def test_read_onnx_takes_bytes():
    assert read_onnx(hand_made().SerializeToString()).n_features_in_ == 4


def test_a_row_has_the_same_bits_alone_and_in_any_batch():
    """By itself onnxruntime multiplies one row otherwise: this model's last bits then differ."""
    classifier = LogisticRegression().fit(SINGLE, CLASSES)
    estimator = foresql.OnnxModel(exported(classifier, options=NO_MAPS))
    scorer = Scorer(convert(estimator, Training.of(FRAME, estimator)))
    table = pa.Table.from_pandas(FRAME)
    whole = scorer.score(table).probabilities
    for size in (1, 2, 63, 64, 65, 130):
        parts = [scorer.score(table.slice(at, size)) for at in range(0, ROWS, size)]
        assert np.concatenate([part.probabilities for part in parts]).tobytes() == whole.tobytes()
    assert scorer.score(table.slice(0, 0)).probabilities.shape == (0, 3)
    assert estimator.predict_proba(FRAME[:1]).tobytes() == whole[:1].tobytes()


def test_a_graph_that_mixes_rows_is_not_published():
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "m"], ["y"]),
    ]
    file = graph_of(nodes, [("x", TensorProto.FLOAT, 4)], [("y", TensorProto.FLOAT, 4)])
    estimator = foresql.OnnxModel(file)
    training = Training.of(FRAME, estimator)
    with pytest.raises(CertificationError, match="differs from the library in the prediction"):
        foresql.certify(convert(estimator, training), estimator, training, rows=500)


def test_published_and_called_in_duckdb(tmp_path):
    estimator = foresql.OnnxModel(per_column(), classes=[False, True])
    published = foresql.publish(
        "city", estimator, like=MIXED, registry=tmp_path, probe_rows=500, alias="champion"
    )
    assert published.needs.keys() == {"onnxruntime"}
    card = foresql.open_model("city:1", tmp_path).bundle.card
    assert card["kept_whole"]["providers"] == ["CPUExecutionProvider"]
    assert card["versions"]["onnxruntime"] == card["kept_whole"]["needs"]["onnxruntime"]
    with duckdb.connect() as connection:
        connection.register("seen", pa.Table.from_pandas(MIXED))
        connection.execute("CREATE TABLE homes AS FROM seen")
        registration = foresql.register(connection, "city@champion", registry=tmp_path)
        found = connection.execute(
            "SELECT predict_city(h), predict_proba_city(h) FROM homes h "
            "WHERE predict_city(h) OR NOT predict_city(h)"
        ).fetchall()
        assert registration.rows_scored == ROWS
    assert [label for label, _ in found] == estimator.predict(MIXED).tolist()
    assert [share for _, share in found] == estimator.predict_proba(MIXED)[:, 1].tolist()


def test_texts_that_no_training_row_had_are_told_apart_in_duckdb():
    """A query's batches are remembered by their values, and all of these are strangers."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["t"],
            ["y"],
            domain="ai.onnx.ml",
            keys_strings=["p", "q", "r"],
            values_floats=[1.0, 2.0, 3.0],
            default_float=0.0,
        )
    ]
    file = graph_of(nodes, [("t", TensorProto.STRING, 1)], [("y", TensorProto.FLOAT, 1)])
    like = pd.DataFrame({"t": ["x", "y"] * 10})
    with duckdb.connect() as connection:
        foresql.register(connection, foresql.OnnxModel(file), like=like)
        connection.execute("CREATE TABLE one AS FROM (VALUES ('p'), ('q')) v(t)")
        connection.execute("CREATE TABLE two AS FROM (VALUES ('r'), ('p')) v(t)")
        first = connection.execute("SELECT predict(v) FROM one v").fetchall()
        second = connection.execute("SELECT predict(v) FROM two v").fetchall()
    assert (first, second) == ([(1.0,), (2.0,)], [(3.0,), (1.0,)])


def test_large_integers_are_told_apart_in_duckdb():
    nodes = [
        helper.make_node("Mod", ["n", "k"], ["y"]),
    ]
    file = graph_of(
        nodes,
        [("n", TensorProto.INT64, 1)],
        [("y", TensorProto.INT64, 1)],
        [("k", np.array([7], np.int64))],
    )
    numbers = [2**53, 2**53 + 1, 2**62 + 1, 2**62]
    with duckdb.connect() as connection:
        like = pd.DataFrame({"n": np.arange(20)})
        foresql.register(connection, foresql.OnnxModel(file), like=like)
        for number in numbers:
            query = f"SELECT predict(v) FROM (SELECT {number}::BIGINT AS n) v"
            assert connection.execute(query).fetchall() == [(number % 7,)]


def weighted(tensor):
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    floats = TensorProto.FLOAT
    return graph_of(nodes, [("x", floats, 2)], [("y", floats, 2)], [tensor])


def outside(tensor):
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def tensor_of(dims, **fields):
    return TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, **fields)


def one_node(kind, *, domain="", **attributes):
    node = helper.make_node(kind, ["x"], ["y"], domain=domain, **attributes)
    floats = TensorProto.FLOAT
    return graph_of([node], [("x", floats, 2)], [("y", floats, 2)])


def with_function():
    file = one_node("Relu")
    function = helper.make_function(
        "own", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], []
    )
    file.functions.append(function)
    return file


def with_sparse():
    file = one_node("Relu")
    dense = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    file.graph.sparse_initializer.append(helper.make_sparse_tensor(dense, places, [2**40]))
    return file


REFUSED_FILES = {
    "external data": (weighted(outside(tensor_of([2]))), "'w' lies in another file"),
    "external data of an attribute": (
        one_node("Constant", value=outside(tensor_of([2]))),
        "'w' lies in another file",
    ),
    "a huge tensor": (weighted(tensor_of([2**40])), "'w' declares 1,099,511,627,776 elements"),
    "a huge tensor of zero": (weighted(tensor_of([2**40, 2**40])), "elements, and holds"),
    "a negative tensor": (weighted(tensor_of([-4])), "declares -4 elements"),
    "a domain": (
        one_node("Quick", domain="com.example"),
        "operator 'Quick' is of domain 'com.example'",
    ),
    "Microsoft's domain": (one_node("FusedGemm", domain="com.microsoft"), "com.microsoft"),
    "an operator": (one_node("Frobnicate"), r"operator ai\.onnx\.Frobnicate is not run"),
    "a random one": (one_node("RandomNormalLike"), "RandomNormalLike is not run"),
    "one that looks at all rows": (one_node("DynamicQuantizeLinear"), "not run"),
    "a loop": (
        one_node("Loop", body=one_node("Relu").graph),
        r"operator ai\.onnx\.Loop is not run",
    ),
    "a graph in an operator": (one_node("Relu", body=one_node("Relu").graph), "holds a graph"),
    "maps": (one_node("ZipMap", domain="ai.onnx.ml"), "zipmap"),
    "functions": (with_function(), "functions of its own"),
    "sparse": (with_sparse(), "sparse tensors"),
    "nothing": (b"", "no graph"),
    "no ONNX": (b"<html>" * 9, "ONNX file"),
    "a truncated one": (hand_made().SerializeToString()[:-5], "damaged"),
}


@pytest.mark.parametrize(("file", "message"), REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_refused_files(file, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(np.array([7, 8], np.float32).tobytes())
    with pytest.raises(UnsupportedModelError, match=message):
        foresql.OnnxModel(file)


FLOATS = TensorProto.FLOAT
IDENTITY = [helper.make_node("Identity", ["x"], ["y"])]
REFUSED_SHAPES = {
    "one row at a time": (
        graph_of(IDENTITY, [("x", FLOATS, 2)], [("y", FLOATS, 2)], rows=1),
        "dynamic first axis",
    ),
    "images": (graph_of(IDENTITY, [("x", FLOATS, 2, 2)], [("y", FLOATS, 2, 2)]), "not .rows, col"),
    "half precision": (
        graph_of(IDENTITY, [("x", TensorProto.FLOAT16, 2)], [("y", TensorProto.FLOAT16, 2)]),
        "is tensor.float16",
    ),
    "two matrices": (
        graph_of(
            [helper.make_node("Add", ["x", "z"], ["y"])],
            [("x", FLOATS, 2), ("z", FLOATS, 2)],
            [("y", FLOATS, 2)],
        ),
        "takes 2 columns, and there are others",
    ),
    "two outputs": (
        graph_of(
            [*IDENTITY, helper.make_node("Neg", ["x"], ["z"])],
            [("x", FLOATS, 2)],
            [("y", FLOATS, 2), ("z", FLOATS, 2)],
        ),
        "say which is which",
    ),
    "labels unknown": (
        graph_of(
            [helper.make_node("Identity", ["x"], ["y"])],
            [("x", TensorProto.STRING, 1)],
            [("y", TensorProto.STRING, 1)],
        ),
        r"classes=\[…\]",
    ),
}


@pytest.mark.parametrize(("file", "message"), REFUSED_SHAPES.values(), ids=REFUSED_SHAPES)
def test_refused_shapes(file, message):
    with pytest.raises(UnsupportedModelError, match=message):
        foresql.OnnxModel(file)


def test_outputs_can_be_chosen():
    file = graph_of(
        [*IDENTITY, helper.make_node("Neg", ["x"], ["z"])],
        [("x", FLOATS, 4)],
        [("y", FLOATS, 4), ("z", FLOATS, 4)],
    )
    chosen = foresql.OnnxModel(file, prediction="z")
    assert np.array_equal(chosen.predict(FRAME), -SINGLE)
    with pytest.raises(UnsupportedModelError, match="no output 'q'"):
        foresql.OnnxModel(file, prediction="q")


def refused_conversion(estimator, frame, message):
    with pytest.raises(UnsupportedModelError, match=message):
        convert(estimator, Training.of(frame, estimator))


def test_columns_of_another_type_are_refused():
    estimator = foresql.OnnxModel(per_column(), classes=[False, True])
    refused_conversion(estimator, MIXED.assign(city=1.0), "'city' is double, and the graph takes")
    refused_conversion(estimator, MIXED.assign(rooms=1.5), "'rooms' is double, and the graph takes")
    refused_conversion(estimator, MIXED.assign(size="big"), "'size' is varchar")


def test_more_classes_than_probabilities_are_refused():
    estimator = foresql.OnnxModel(hand_made(), classes=["a", "b"])
    refused_conversion(estimator, FRAME, "3 probabilities for 2 labels")


def test_an_output_of_unknown_width_is_refused():
    file = graph_of(IDENTITY, [("x", FLOATS, "n")], [("y", FLOATS, "n")])
    refused_conversion(foresql.OnnxModel(file), FRAME, "number of columns of every output")


def test_an_operator_that_asks_for_too_much_memory_is_stopped():
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["k"]),
        helper.make_node("ReduceSum", ["k"], ["t"], keepdims=0),
        helper.make_node("Add", ["x", "t"], ["y"]),
    ]
    file = graph_of(
        nodes, [("x", FLOATS, 4)], [("y", FLOATS, 4)], [("n", np.array([2**36], np.int64))]
    )
    estimator = foresql.OnnxModel(file)
    scorer = Scorer(convert(estimator, Training.of(FRAME, estimator)))
    with pytest.raises(ScoringError, match=r"onnxruntime refuses rows: .*Available memory"):
        scorer.score(pa.Table.from_pandas(FRAME[:2]))
    assert "Available memory" in ask_library(estimator, FRAME[:2])
