"""Models to write and read, one with every kind of step, and how to compare and to forge them."""

import hashlib
import json
import math
from dataclasses import fields, is_dataclass

import numpy as np
import onnx
import pytest
import skops.io
from sklearn.dummy import DummyRegressor

from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.archive import pack
from foresql.ir.npy import write_npy


def two_trees() -> Trees:
    """A tree with a numeric and a categorical split, and one that is a single leaf."""
    return Trees(
        feature=np.array([0, 1, -1, -1, -1, -1], np.int32),
        threshold=np.array([-0.0, 0, 0, 0, 0, 0]),
        left=np.array([1, 2, 0, 0, 0, 0], np.int32),
        right=np.array([4, 3, 0, 0, 0, 0], np.int32),
        missing_left=np.array([True, False, False, False, False, False]),
        category_set=np.array([-1, 0, -1, -1, -1, -1], np.int32),
        set_start=np.array([0, 3], np.int64),
        set_values=np.array([0, 7, 2**31 - 1], np.int32),
        value=np.array([0, 0, 5e-324, -1.5, math.pi, 0.25]),
        cover=np.array([100.0, 60, 20, 40, 40, 100]),
        root=np.array([0, 5], np.int32),
        output=np.array([0, 1], np.int32),
    )


def kernel_sum() -> s.KernelSum:
    """A product of two kernels over three points."""
    return s.KernelSum(
        ("x4", "e"),
        ("k0", "k1"),
        points=np.array([[0.0, -0.0], [1e308, 5e-324], [-1.0, math.pi]]),
        weights=np.array([[1.0, 0.0], [-1e308, 0.5], [0.1, 0.2]]),
        intercepts=np.array([0.0, -0.5]),
        centers=np.array([0.0, 0.5, 1.0]),
        kernels=(s.Kernel.RBF, s.Kernel.POLYNOMIAL),
        scales=np.array([[1.0, 2.0], [0.5, 1e-300]]),
        gammas=np.array([0.5, 1.0]),
        constants=np.array([0.0, -1.0]),
        degrees=np.array([1.0, 3.0]),
        exponents=np.array([1.0, 2.0]),
    )


def neighbours() -> s.Neighbours:
    """Two of three points, in a tree with two leaves."""
    return s.Neighbours(
        ("x4", "e"),
        ("m0",),
        "the neighbours",
        points=np.array([[0.0, -0.0], [1e308, 5e-324], [-1.0, math.pi]]),
        values=np.array([[1.0], [0.0], [0.25]]),
        order=np.array([2, 0, 1], np.int64),
        levels=1,
        count=2,
        metric=s.Metric.MANHATTAN,
        weighting=s.Weighting.DISTANCE,
        mean=True,
    )


def negated() -> np.ndarray:
    """A graph that gives the opposite of its input."""
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["rows", 1])
        for name in "xy"
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return np.frombuffer(model.SerializeToString(), np.uint8)


def dumped(thing) -> np.ndarray:
    return np.frombuffer(skops.io.dumps(thing), np.uint8)


@pytest.fixture
def model():
    dummy = DummyRegressor(strategy="constant", constant=2.0).fit([[0.0]], [2.0])
    cells = (s.Cell.NUMBER, s.Cell.TEXT)
    steps = (
        s.Require(("x",), "the imputer", missing=False, infinite=True, largest=1e38),
        s.RequireRange(("x",), "the power", 5e-324, math.inf),
        s.NullIf(("x",), ("x1",), -math.inf, 5e-324),
        s.Impute(("x1", "carrier"), ("x2", "carrier2"), (math.nan, "É\N{PILE OF POO}\0")),
        s.IsMissing(("when",), ("when_missing",)),
        s.Coalesce(("x2", "x"), ("x5",)),
        s.Arithmetic(("x2",), ("x3",), s.Operator.SUBTRACT_FROM, np.array([math.nan])),
        s.Clip(("x3",), ("x4",), -math.inf, math.inf),
        s.Lookup(
            ("carrier2",), ("code",), "the encoder", ("AA", ""), np.array([0, 1.0]), None, math.nan
        ),
        s.OneHot(("code",), ("is_aa", "is_other"), np.array([0.0, 1])),
        s.LookupRow(
            ("code", "is_aa"),
            ("seen", "rare"),
            np.array([[0.0, 1.0], [-0.0, math.inf]]),
            np.array([[1.0, math.nan], [-0.0, math.inf]]),
            np.array([0.5, math.nan]),
        ),
        s.Dot(("x4", "is_aa"), ("y",), np.array([[1e308], [-0.0]]), np.array([math.inf])),
        s.Product(("x4", "y", "code", "y"), ("x4_code", "y_y")),
        s.Sum(("x4", "y", "code", "y"), ("x4+code", "y+y")),
        s.WeightedMedian(("x4", "y"), ("median",), np.array([0.0, 5e-324])),
        s.Normalize(("x4", "y"), ("n0", "n1"), s.Norm.LARGEST),
        s.Forest(
            ("y", "code"), ("f0", "f1"), two_trees(), np.array([0.0, 1.5]), s.Precision.FLOAT64
        ),
        s.LinearForest(
            ("y", "code"),
            ("l0", "l1"),
            two_trees(),
            np.array([0, 0, -0.0, 1.5, 2, math.inf]),
            np.array([0, 0, 0, 2, 2, 2, 3], np.int64),
            np.array([1, 0, 1], np.int32),
            np.array([5e-324, -1.5, math.pi]),
            1e-35,
        ),
        s.Float32Dot(("y", "x4"), ("d",), np.array([[1e308], [-0.0]]), np.array([0.1])),
        s.Elementwise(("f0",), ("e",), s.Function.LOG1P_EXP),
        s.Interpolate(("e",), ("i",), np.array([-1.0, 2.0, 2.0]), np.array([0.0, -0.0, 1e308])),
        s.BSplines(("i",), ("b0", "b1"), np.array([0.0, 0.5, 0.5, 1e300])),
        s.Softmax(("e", "f1"), ("p0", "p1"), exponential=s.Function.FMATH_EXP),
        s.LogSoftmax(("p0", "p1"), ("g0", "g1")),
        kernel_sum(),
        neighbours(),
        s.Couple(("k0", "k1", "m0"), ("c0", "c1", "c2")),
        s.Argmax(("p0", "p1"), ("label",)),
        s.Exceeds(("p1",), ("late",), 0.5),
        s.Onnx(("x",), ("o",), cells[:1], negated(), ("y",), ()),
        s.Skops(
            *(("x", "carrier"), ("k",), cells, True, dumped(dummy), ("numpy.dtype",), "1.9.1"),
            *(("predict",), ()),
        ),
    )
    columns = (
        Column("x", ColumnType.DOUBLE, nullable=False),
        Column("carrier", ColumnType.VARCHAR, categories=("AA", 'select "x', "")),
        Column("when", ColumnType.TIMESTAMP, categories=(-(2**63), 2**63 - 1)),
        Column("level", ColumnType.DOUBLE, categories=(math.nan, math.inf, -math.inf, -0.0)),
    )
    outputs = Outputs(("label",), (True, False), ("p0", "p1"), ("f0", "f1"))
    return Model(Signature(columns), steps, outputs, {"x": math.nan, "y": 0.1}, (0.0, 0.1))


@pytest.fixture(scope="session")
def plain():
    """Turn anything into values that compare by type and by bit."""

    def convert(value):
        match value:
            case np.ndarray():
                return (value.dtype.str, value.shape, value.tobytes())
            case float():
                return repr(value)
            case tuple() | list():
                return [convert(item) for item in value]
            case _ if hasattr(value, "items"):
                return {key: convert(item) for key, item in value.items()}
            case _ if is_dataclass(value):
                values = {f.name: convert(getattr(value, f.name)) for f in fields(value)}
                return (type(value).__name__, values)
            case _:
                return (type(value).__name__, value)

    return convert


@pytest.fixture(scope="session")
def forge():
    """Write a bundle's bytes with all hashes right, whatever is in it."""

    def write(document, arrays, /, **changes):
        blobs = {f"arrays/{name}.npy": as_npy(array) for name, array in sorted(arrays.items())}
        manifest = {
            "format_version": 2,
            "model": document,
            "card": {},
            "arrays": {name: hashlib.sha256(blob).hexdigest() for name, blob in blobs.items()},
            "program": None,
        }
        text = json.dumps(manifest | changes, sort_keys=True).encode()
        stated = hashlib.sha256(text).hexdigest().encode()
        return pack({"manifest.json": text, **blobs, "manifest.sha256": stated})

    return write


def as_npy(array) -> bytes:
    return array if isinstance(array, bytes) else write_npy(array)
