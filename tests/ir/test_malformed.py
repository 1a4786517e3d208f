import copy
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foresql.errors import BundleError
from foresql.ir import steps as s
from foresql.ir.bundle import decode_bundle
from foresql.ir.codec import decode_model, encode_model


def edited(model, *path, value):
    document, arrays = encode_model(model)
    target = document
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    return document, arrays


def position(model, kind):
    return next(i for i, step in enumerate(model.steps) if isinstance(step, kind))


def test_unknown_step(model):
    document, arrays = edited(model, "steps", 0, "step", value="Teleport")
    with pytest.raises(BundleError, match="Unknown step 'Teleport': a later foresql"):
        decode_model(document, arrays)


BAD_VALUES = [
    (s.Arithmetic, "operator", "root"),
    (s.Arithmetic, "operator", ["add"]),
    (s.Elementwise, "function", {}),
    (s.Elementwise, "inputs", "f0"),
    (s.Elementwise, "inputs", [1]),
    (s.Clip, "low", "0"),
    (s.Clip, "low", True),
    (s.Clip, "low", None),
    (s.Clip, "low", 10**400),
    (s.Clip, "low", 2**64),
    (s.Clip, "low", {"float": "1.0"}),
    (s.Clip, "low", {"float": ["nan"]}),
    (s.Clip, "low", math.inf),
    (s.Require, "missing", 1),
    (s.Require, "where", None),
    (s.Require, "largest", None),
    (s.Require, "largest", -1.0),
    (s.Require, "largest", {"float": "nan"}),
    (s.RequireRange, "high", -1.0),
    (s.RequireRange, "high", {"float": "nan"}),
    (s.RequireRange, "inputs", ["carrier"]),
    (s.Coalesce, "inputs", ["x"]),
    (s.Coalesce, "inputs", ["x", "carrier"]),
    (s.Sum, "inputs", ["x4", "y", "code"]),
    (s.Sum, "outputs", []),
    (s.Sum, "outputs", ["a0", "a1", "a2"]),
    (s.BSplines, "inputs", ["i", "i"]),
    (s.BSplines, "outputs", []),
    (s.BSplines, "outputs", ["b0"]),
    (s.BSplines, "outputs", ["b0", "b1", "b2", "b3"]),
    (s.BSplines, "knots", None),
    (s.Lookup, "keys", {}),
    (s.Lookup, "keys", [["AA"], ""]),
    (s.Lookup, "keys", ["AA", "AA"]),
    (s.Lookup, "keys", [1, 2]),
    (s.Lookup, "keys", [2**63, 1]),
    (s.Lookup, "values", "nowhere"),
    (s.Lookup, "values", 3),
    (s.Lookup, "values", ["6.values"]),
    (s.Lookup, "inputs", []),
    (s.Lookup, "inputs", ["carrier", "carrier"]),
    (s.LookupRow, "outputs", ["seen"]),
    (s.LookupRow, "inputs", ["code"]),
    (s.LookupRow, "inputs", ["carrier", "code"]),
    (s.Softmax, "exponential", "log1p_exp"),
    (s.Softmax, "precision", "float32"),
    (s.Product, "inputs", ["x4"]),
    (s.Product, "outputs", ["x4_code"]),
    (s.Sum, "outputs", ["a", "b", "c"]),
    (s.Sum, "outputs", []),
    (s.Sum, "inputs", ["x4", "carrier"]),
    (s.WeightedMedian, "outputs", ["a", "b"]),
    (s.WeightedMedian, "inputs", ["x4"]),
    (s.Normalize, "norm", "loud"),
    (s.Normalize, "outputs", ["n0"]),
    (s.Interpolate, "outputs", ["i", "i2"]),
    (s.Interpolate, "inputs", ["carrier"]),
    (s.LogSoftmax, "outputs", ["g0"]),
    (s.KernelSum, "kernels", []),
    (s.KernelSum, "kernels", ["rbf"]),
    (s.KernelSum, "kernels", ["rbf", "mine"]),
    (s.KernelSum, "kernels", "rbf"),
    (s.KernelSum, "inputs", ["x4"]),
    (s.KernelSum, "outputs", ["k0"]),
    (s.KernelSum, "points", None),
    (s.Neighbours, "levels", 2),
    (s.Neighbours, "levels", -1),
    (s.Neighbours, "levels", 2**62),
    (s.Neighbours, "levels", 0.5),
    (s.Neighbours, "levels", True),
    (s.Neighbours, "count", 0),
    (s.Neighbours, "count", 4),
    (s.Neighbours, "count", 2**64),
    (s.Neighbours, "metric", "cosine"),
    (s.Neighbours, "weighting", None),
    (s.Neighbours, "mean", 1),
    (s.Neighbours, "outputs", ["m0", "m1"]),
    (s.Couple, "inputs", ["k0", "k1"]),
    (s.Couple, "outputs", ["c0", "c1"]),
    (s.Argmax, "outputs", []),
    (s.Argmax, "outputs", ["x"]),
    (s.Argmax, "inputs", ["carrier"]),
    (s.Argmax, "inputs", ["nowhere"]),
    (s.Float32Dot, "outputs", ["d", "d2"]),
    (s.Float32Dot, "inputs", ["x4"]),
    (s.LinearForest, "zero", -1.0),
    (s.LinearForest, "zero", {"float": "nan"}),
    (s.Onnx, "inputs", ["f0"]),
    (s.Onnx, "cells", []),
    (s.Onnx, "cells", ["integer"]),
    (s.Onnx, "cells", ["text"]),
    (s.Onnx, "cells", ["pointer"]),
    (s.Onnx, "answers", []),
    (s.Onnx, "outputs", []),
    (s.Onnx, "labels", ["a", "a"]),
    (s.Onnx, "file", "17.nowhere"),
    (s.Skops, "inputs", ["x", "carrier2"]),
    (s.Skops, "cells", ["number", "number"]),
    (s.Skops, "named", 1),
    (s.Skops, "types", ["os.system"]),
    (s.Skops, "types", ["numpy.memmap"]),
    (s.Skops, "types", ["sklearn.tree._tree.Tree"]),
    (s.Skops, "methods", []),
    (s.Skops, "methods", ["fit"]),
    (s.Skops, "methods", ["__reduce__"]),
    (s.Skops, "release", None),
    (s.Forest, "trees", None),
    (s.Forest, "trees", "8"),
]


@pytest.mark.parametrize(("kind", "field", "value"), BAD_VALUES)
def test_field_of_a_wrong_kind(model, kind, field, value):
    document, arrays = edited(model, "steps", position(model, kind), field, value=value)
    with pytest.raises(BundleError):
        decode_model(document, arrays)


BAD_PARTS = [
    (("signature",), []),
    (("signature",), {}),
    (("signature", 0, "type"), "float"),
    (("signature", 0, "type"), []),
    (("signature", 0, "nullable"), 0),
    (("signature", 0, "name"), ""),
    (("signature", 0, "name"), "WHEN"),
    (("signature", 0, "categories"), "abc"),
    (("signature", 0, "categories"), ["a"]),
    (("signature", 1, "categories"), [1]),
    (("signature", 0, "more"), 1),
    (("steps",), None),
    (("steps", 0), []),
    (("steps", 0), {"step": ["Clip"]}),
    (("outputs",), []),
    (("outputs", "prediction"), []),
    (("outputs", "prediction"), ["carrier"]),
    (("outputs", "probabilities"), ["p0"]),
    (("outputs", "classes"), [None]),
    (("outputs", "classes"), []),
    (("background",), []),
    (("background", "x"), "1"),
    (("extra",), {}),
]


@pytest.mark.parametrize(("path", "value"), BAD_PARTS)
def test_part_of_a_wrong_kind(model, path, value):
    with pytest.raises(BundleError):
        decode_model(*edited(model, *path, value=value))


@pytest.mark.parametrize("document", [None, [], {}, 3, "x"])
def test_no_model(document):
    with pytest.raises(BundleError, match="Malformed model"):
        decode_model(document, {})


def test_arrays_that_no_field_names(model):
    document, arrays = encode_model(model)
    with pytest.raises(BundleError, match="each array to be used once"):
        decode_model(document, arrays | {"hidden": np.zeros(3)})


def test_array_that_two_fields_share(model):
    document, arrays = encode_model(model)
    dot, lookup = position(model, s.Dot), position(model, s.OneHot)
    document["steps"][dot]["intercepts"] = f"{lookup}.codes"
    arrays[f"{lookup}.codes"] = np.zeros(1)
    document["steps"][lookup]["outputs"] = ["is_aa"]
    with pytest.raises(BundleError, match="each array to be used once"):
        decode_model(document, arrays)


@pytest.mark.parametrize("errors", [[1.0, 0.5], [-1.0], [math.nan], [0.0, math.nan]])
def test_residuals_that_are_no_sorted_errors(model, errors):
    document, arrays = encode_model(model)
    with pytest.raises(BundleError, match="not sorted absolute errors"):
        decode_model(document, arrays | {"residuals": np.array(errors)})


@pytest.mark.parametrize(
    ("xs", "ys"),
    [
        ([], []),
        ([0.0, 1], [0.0]),
        ([1.0, 0], [0.0, 1]),
        ([0.0, math.inf], [0.0, 1]),
        ([0.0, 1], [0.0, math.nan]),
        ([[0.0, 1]], [[0.0, 1]]),
    ],
)
def test_points_that_make_no_line(model, xs, ys):
    document, arrays = encode_model(model)
    place = position(model, s.Interpolate)
    arrays |= {f"{place}.xs": np.array(xs, float), f"{place}.ys": np.array(ys, float)}
    with pytest.raises(BundleError, match="point"):
        decode_model(document, arrays)


@pytest.mark.parametrize(
    "keys",
    [
        [[0.0, 1.0], [-0.0, 1.0]],
        [[0.0, 1.0], [0.0, math.nan]],
        [[0.0, 1.0]],
        [[0.0], [1.0]],
        [0.0, 1.0],
        np.zeros((0, 2)),
    ],
)
def test_keys_that_name_no_rows(model, keys):
    document, arrays = encode_model(model)
    arrays[f"{position(model, s.LookupRow)}.keys"] = np.array(keys, float)
    with pytest.raises(BundleError, match="key"):
        decode_model(document, arrays)


BAD_POINTS = [
    (s.KernelSum, "points", np.zeros((3, 1))),
    (s.KernelSum, "points", np.zeros(3)),
    (s.KernelSum, "points", np.full((3, 2), np.nan)),
    (s.KernelSum, "weights", np.zeros((2, 2))),
    (s.KernelSum, "weights", np.full((3, 2), np.inf)),
    (s.KernelSum, "intercepts", np.zeros(3)),
    (s.KernelSum, "centers", np.zeros(2)),
    (s.KernelSum, "scales", np.zeros((1, 2))),
    (s.KernelSum, "degrees", np.zeros(3)),
    (s.KernelSum, "exponents", np.full(2, np.nan)),
    (s.Neighbours, "points", np.zeros((0, 2))),
    (s.Neighbours, "points", np.zeros((3, 3))),
    (s.Neighbours, "points", np.full((3, 2), np.inf)),
    (s.Neighbours, "values", np.zeros((3, 2))),
    (s.Neighbours, "values", np.full((3, 1), np.nan)),
    (s.Neighbours, "order", np.array([0, 1])),
    (s.Neighbours, "order", np.array([0, 1, 1])),
    (s.Neighbours, "order", np.array([0, 1, -1])),
    (s.Neighbours, "order", np.array([0, 1, 3])),
    (s.Neighbours, "order", np.array([0.0, 1, 2])),
    (s.Neighbours, "order", np.array([[0, 1, 2]])),
]


@pytest.mark.parametrize(("kind", "field", "array"), BAD_POINTS)
def test_points_that_do_not_fit(model, kind, field, array):
    document, arrays = encode_model(model)
    with pytest.raises(BundleError):
        decode_model(document, arrays | {f"{position(model, kind)}.{field}": array})


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1e-9], [1.0, math.nan], [math.inf, 1.0]])
def test_weights_that_are_none(model, weights):
    document, arrays = encode_model(model)
    arrays[f"{position(model, s.WeightedMedian)}.weights"] = np.array(weights)
    with pytest.raises(BundleError, match="weight"):
        decode_model(document, arrays)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (s.Onnx, b""),
        (s.Onnx, b"no protobuf at all"),
        (s.Onnx, bytes(1000)),
        (s.Skops, b""),
        (s.Skops, b"PK no zip"),
    ],
)
def test_files_that_are_none(model, kind, content):
    document, arrays = encode_model(model)
    arrays[f"{position(model, kind)}.file"] = np.frombuffer(content, np.uint8)
    with pytest.raises(BundleError, match=kind.__name__):
        decode_model(document, arrays)


@pytest.mark.parametrize(
    "knots", [[], [0.0, 1, 2, 1], [0.0, 1, 2, math.inf], [0.0, 1, math.nan, 2], [[0.0, 1, 2, 3]]]
)
def test_knots_that_make_no_spline(model, knots):
    document, arrays = encode_model(model)
    arrays |= {f"{position(model, s.BSplines)}.knots": np.array(knots, float)}
    with pytest.raises(BundleError, match="knots"):
        decode_model(document, arrays)


def i32(*values):
    return np.array(values, np.int32)


LOW = -(2**31)
# Nodes 0 and 1 of the example are inner: 0 -> 1, 4 and 1 -> 2, 3; node 5 is the second tree.
BAD_FORESTS = {
    "a node is its own child": {"left": i32(0, 2, 0, 0, 0, 0)},
    "a cycle": {"left": i32(1, 0, 0, 0, 0, 0)},
    "two parents": {"right": i32(4, 2, 0, 0, 0, 0)},
    "a child in another tree": {"right": i32(5, 3, 0, 0, 0, 0)},
    "a child out of range": {"right": i32(6, 3, 0, 0, 0, 0)},
    "a child far out of range": {"right": i32(2**31 - 1, 3, 0, 0, 0, 0)},
    "a negative child": {"right": i32(-1, 3, 0, 0, 0, 0)},
    "a node that nobody reaches": {"feature": i32(0, -1, -1, -1, -1, -1)},
    "an input out of range": {"feature": i32(0, 2, -1, -1, -1, -1)},
    "a feature below -1": {"feature": i32(0, -2, -1, -1, -1, -1)},
    "an input split in two ways": {"feature": i32(0, 0, -1, -1, -1, -1)},
    "an output out of range": {"output": i32(0, 2)},
    "a negative output": {"output": i32(0, -1)},
    "fewer outputs than trees": {"output": i32(0)},
    "roots that do not ascend": {"root": i32(0, 0)},
    "a first root elsewhere": {"root": i32(1, 5)},
    "a root out of range": {"root": i32(0, 6)},
    "roots whose difference overflows": {"root": i32(0, 5, LOW), "output": i32(0, 1, 1)},
    "no tree": {"root": i32(), "output": i32()},
    "a set out of range": {"category_set": i32(-1, 1, -1, -1, -1, -1)},
    "a set below -1": {"category_set": i32(-1, -2, -1, -1, -1, -1)},
    "a set of a leaf": {"category_set": i32(-1, 0, 0, -1, -1, -1)},
    "a negative category": {"set_values": i32(0, 7, -8)},
    "sets that end early": {"set_start": np.array([0, 2])},
    "sets that begin late": {"set_start": np.array([1, 3])},
    "no sets at all": {"set_start": np.array([], np.int64)},
    "sets whose difference overflows": {"set_start": np.array([0, 1, -(2**63), -1, 3])},
    "a threshold that is NaN": {"threshold": np.full(6, np.nan)},
    "more thresholds than nodes": {"threshold": np.zeros(7)},
    "wider integers": {"left": np.array([1, 2, 0, 0, 0, 0])},
    "numbers for truth values": {"missing_left": np.zeros(6)},
    "a matrix": {"value": np.zeros((6, 1))},
}


@pytest.mark.parametrize("change", BAD_FORESTS.values(), ids=BAD_FORESTS)
def test_malformed_forest_with_right_hashes(model, forge, change):
    document, arrays = encode_model(model)
    prefix = f"{position(model, s.Forest)}.trees"
    content = forge(document, arrays | {f"{prefix}.{k}": array for k, array in change.items()})
    with pytest.raises(BundleError, match=r"Malformed|Forest"):
        decode_bundle(content)


def i64(*values):
    return np.array(values, np.int64)


BAD_TERMS = {
    "an input out of range": {"term_input": i32(1, 0, 2)},
    "a negative input": {"term_input": i32(1, 0, -1)},
    "more inputs than terms": {"term_input": i32(1, 0, 1, 1)},
    "more coefficients than terms": {"coefficients": np.zeros(4)},
    "a matrix of coefficients": {"coefficients": np.zeros((3, 1))},
    "fewer constants than nodes": {"constants": np.zeros(5)},
    "fewer runs than nodes": {"term_start": i64(0, 0, 0, 2, 2, 3)},
    "runs that end early": {"term_start": i64(0, 0, 0, 2, 2, 2, 2)},
    "runs that begin late": {"term_start": i64(1, 1, 1, 2, 2, 2, 3)},
    "runs that go back": {"term_start": i64(0, 0, 3, 2, 2, 2, 3)},
    "runs whose difference overflows": {"term_start": i64(0, 2**63 - 1, -(2**63), 2, 2, 2, 3)},
    "narrow runs": {"term_start": i32(0, 0, 0, 2, 2, 2, 3)},
    "trees that read another input": {"trees.feature": i32(0, 2, -1, -1, -1, -1)},
}


@pytest.mark.parametrize("change", BAD_TERMS.values(), ids=BAD_TERMS)
def test_malformed_terms_with_right_hashes(model, forge, change):
    document, arrays = encode_model(model)
    prefix = position(model, s.LinearForest)
    content = forge(document, arrays | {f"{prefix}.{k}": array for k, array in change.items()})
    with pytest.raises(BundleError, match=r"Malformed|LinearForest"):
        decode_bundle(content)


def test_no_trees_at_all(model, forge):
    document, arrays = encode_model(model)
    forest = {key: array[:0] for key, array in arrays.items() if ".trees." in key}
    with pytest.raises(BundleError, match="Malformed forest"):
        decode_bundle(forge(document, arrays | forest))


# Whatever else an edit with right hashes does, it never leads to another error.

WORDS = ["x", "f0", "8.weights", "residuals", "double", "Dot", "nan"]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.sampled_from(WORDS),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(["float", "step", "x"]), values, max_size=2)
    ),
    max_leaves=4,
)


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_edit_of_the_model_is_read_or_refused(model, data):
    document, arrays = encode_model(model)
    document = json.loads(json.dumps(document))
    *path, last = data.draw(st.sampled_from([path for path in places(document) if path]))
    target = document
    for part in path:
        target = target[part]
    target[last] = data.draw(json_values)
    read_or_refuse(document, arrays)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_edit_of_an_array_is_read_or_refused(model, data):
    document, arrays = encode_model(model)
    arrays = copy.deepcopy(arrays)
    array = arrays[
        data.draw(st.sampled_from([name for name, array in arrays.items() if array.size]))
    ]
    place = data.draw(st.integers(0, array.size - 1))
    kind = array.dtype.kind
    bits = 8 * array.dtype.itemsize - 1
    values = {
        "f": st.floats(),
        "b": st.booleans(),
        "u": st.integers(0, 255),
        "i": st.integers(-3, 9) | st.sampled_from([-(2**bits), 2**bits - 1]),
    }
    array.flat[place] = data.draw(values[kind])
    read_or_refuse(document, arrays)


def read_or_refuse(document, arrays):
    try:
        model = decode_model(document, arrays)
    except BundleError:
        return
    assert encode_model(model)[0] == document
