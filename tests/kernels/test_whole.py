import sys
import threading

import numpy as np
import onnx
import pyarrow as pa
import pytest
import skops.io
from onnx import TensorProto, helper
from sklearn import __version__ as RELEASE  # noqa: N812 - a constant
from sklearn.dummy import DummyClassifier, DummyRegressor

from foresql.errors import BundleError, ScoringError, SignatureError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.kernels.arrow import bits_of

FLOATS, INTEGERS = TensorProto.FLOAT, TensorProto.INT64
TYPES = {
    s.Cell.NUMBER: ColumnType.DOUBLE,
    s.Cell.INTEGER: ColumnType.BIGINT,
    s.Cell.TRUTH: ColumnType.BOOLEAN,
    s.Cell.TEXT: ColumnType.VARCHAR,
    s.Cell.TEXT_OR_NONE: ColumnType.VARCHAR,
}


def graph_of(kind, *operators, columns=1, gives=None):
    nodes = [helper.make_node(*each[:3], **dict(each[3:])) for each in operators]
    x = helper.make_tensor_value_info("x", kind, ["rows", columns])
    y = helper.make_tensor_value_info("y", gives or kind, None)
    graph = helper.make_graph(nodes, "g", [x], [y])
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def model_of(step) -> Model:
    columns = tuple(
        Column(name, TYPES[cell]) for name, cell in zip(step.inputs, step.cells, strict=True)
    )
    return Model(Signature(columns), (step,), Outputs(step.outputs))


def onnx_scorer(file, *, cells=(s.Cell.NUMBER,), outputs=("o",), answers=("y",), labels=()):
    content = np.frombuffer(file.SerializeToString(), np.uint8)
    inputs = tuple("abcdef"[: len(cells)])
    return Scorer(model_of(s.Onnx(inputs, outputs, cells, content, answers, labels)))


def skops_scorer(estimator, cells, *, outputs=("o",), methods=("predict",), labels=()):
    content = np.frombuffer(skops.io.dumps(estimator), np.uint8)
    inputs, types = tuple("abcdef"[: len(cells)]), ("numpy.dtype",)
    kept = s.Skops(inputs, outputs, cells, True, content, types, RELEASE, methods, labels)
    return Scorer(model_of(kept))


TEXT = ("value_strings", ["red", "blue"])
IDENTITY = graph_of(FLOATS, ("Identity", ["x"], ["y"]))
TWO = graph_of(FLOATS, ("Identity", ["x"], ["y"]), columns=2)
CONSTANT = DummyRegressor(strategy="constant", constant=2.5).fit([[0.0]], [2.5])


@pytest.mark.parametrize("library", ["onnxruntime", "skops.io", "sklearn", "pandas"])
def test_a_library_that_is_not_installed(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    is_onnx = library == "onnxruntime"
    with pytest.raises(ScoringError, match=r"This model needs .*: pip install 'foresql\[") as found:
        onnx_scorer(IDENTITY) if is_onnx else skops_scorer(CONSTANT, (s.Cell.NUMBER,))
    assert library in str(found.value)


BAD_STEPS = {
    "an answer": ({"file": IDENTITY, "answers": ("nowhere",)}, r"no output \['nowhere'\]"),
    "an operator without inputs": (
        {"file": graph_of(FLOATS, ("Gemm", ["x"], ["y"]))},
        "onnxruntime cannot load the model",
    ),
}


@pytest.mark.parametrize(("options", "message"), BAD_STEPS.values(), ids=BAD_STEPS)
def test_graphs_that_do_not_fit_their_step(options, message):
    with pytest.raises(BundleError, match=message):
        onnx_scorer(**options)


def rows(**columns):
    return pa.table({name: pa.array(values) for name, values in columns.items()})


BAD_ANSWERS = {
    "other columns": ({"file": IDENTITY, "outputs": ("o", "p")}, "gives 1 columns"),
    "other inputs": ({"file": TWO}, "onnxruntime refuses rows"),
    "a single number": (
        {"file": graph_of(FLOATS, ("Size", ["x"], ["y"]), gives=INTEGERS)},
        "no table of numbers",
    ),
    "text": (
        {"file": graph_of(FLOATS, ("Constant", [], ["y"], TEXT), gives=TensorProto.STRING)},
        "no table of numbers",
    ),
    "a label": ({"file": IDENTITY, "labels": (7, 8)}, r"answers 1\.0, which is none of its labels"),
}


@pytest.mark.parametrize(("options", "message"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_answers_that_do_not_fit_their_step(options, message):
    with pytest.raises(ScoringError, match=message):
        onnx_scorer(**options).score(rows(a=[1.0]))


def test_labels_become_their_index():
    scorer = onnx_scorer(IDENTITY, labels=(3, 1))
    assert scorer.score(rows(a=[1.0, 3.0, 1.0])).prediction.tolist() == [[1.0], [0.0], [1.0]]


@pytest.mark.parametrize("width", [pa.int8(), pa.int64(), pa.uint32()])
def test_integers_of_any_width(width):
    scorer = onnx_scorer(graph_of(INTEGERS, ("Neg", ["x"], ["y"])), cells=(s.Cell.INTEGER,))
    table = pa.table({"a": pa.array([1, 2, 3], width)})
    assert scorer.score(table).prediction.tolist() == [[-1.0], [-2.0], [-3.0]]


def test_numbers_are_no_integers():
    scorer = onnx_scorer(graph_of(INTEGERS, ("Neg", ["x"], ["y"])), cells=(s.Cell.INTEGER,))
    with pytest.raises(SignatureError, match="'a' is double, and the model was trained on bigint"):
        scorer.score(rows(a=[1.5]))


def test_what_an_estimator_is_given(monkeypatch):
    given = []

    def predict(_, frame):
        given.append(frame)
        return np.zeros(len(frame))

    monkeypatch.setattr(DummyRegressor, "predict", predict)
    cells = tuple(s.Cell)
    table = rows(a=[0.5, None], b=[2**60 + 1, 3], c=[True, False], d=["x", None], e=[None, "y"])
    skops_scorer(CONSTANT, cells).score(table)
    missing = table.set_column(1, "b", pa.array([1, None])).set_column(
        2, "c", pa.array([None, True])
    )
    skops_scorer(CONSTANT, cells).score(missing)
    whole, widened = given
    assert len(whole) == 256
    assert [str(dtype) for dtype in whole.dtypes] == [
        "float64",
        "int64",
        "bool",
        "object",
        "object",
    ]
    assert whole["b"][0] == 2**60 + 1
    assert np.isnan(whole["d"][1])
    assert whole["e"][0] is None
    assert [str(dtype) for dtype in widened.dtypes[1:3]] == ["float64", "float64"]
    assert np.isnan(widened["b"][1])


def test_methods_side_by_side():
    classifier = DummyClassifier(strategy="prior").fit([[0.0]] * 4, ["a", "b", "b", "b"])
    scorer = skops_scorer(
        classifier,
        (s.Cell.NUMBER,),
        outputs=("label", "p", "q"),
        methods=("predict", "predict_proba"),
        labels=("a", "b"),
    )
    assert scorer.score(rows(a=[0.0] * 300)).prediction.tolist() == [[1.0, 0.25, 0.75]] * 300


def test_a_method_that_is_not_there():
    with pytest.raises(BundleError, match="cannot be loaded"):
        skops_scorer(CONSTANT, (s.Cell.NUMBER,), methods=("predict_proba",))


def test_threads_share_a_graph():
    scorer = onnx_scorer(graph_of(FLOATS, ("Neg", ["x"], ["y"])))
    table = rows(a=np.arange(5000.0))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(scorer.score(table).prediction.tobytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(found) == {(-np.arange(5000.0)).tobytes()}


def test_no_file_is_read(tmp_path, monkeypatch):
    """onnxruntime itself reads the files of external data, from the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(np.float32(7).tobytes())
    file = graph_of(FLOATS, ("Add", ["x", "w"], ["y"]))
    tensor = onnx.TensorProto(name="w", data_type=FLOATS, dims=[1], data_location=1)
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    file.graph.initializer.append(tensor)
    with pytest.raises(BundleError, match="'w' lies in another file"):
        onnx_scorer(file)


def test_what_tells_texts_and_integers_apart():
    """Codes and float64 values of strangers are equal; what is remembered of rows must not be."""
    scorer = skops_scorer(CONSTANT, (s.Cell.TEXT, s.Cell.INTEGER))
    table = rows(a=["x", "y", "x", None], b=[2**60, 2**60, 2**60 + 1, 0])
    seen = np.stack(bits_of(scorer.decoder.decode(table)), axis=1)
    assert len({row.tobytes() for row in seen}) == 4
    again = np.stack(bits_of(scorer.decoder.decode(table.slice(2, 1))), axis=1)
    assert again.tobytes() == seen[2:3].tobytes()
