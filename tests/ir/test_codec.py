import math
from dataclasses import fields
from typing import get_args

import numpy as np
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle, decode_bundle, encode_bundle
from foresql.ir.codec import _DECODERS, _dtype_of

KINDS = {kind.__name__: kind for kind in get_args(s.Step)}


def test_every_annotation_of_every_step_has_a_decoder():
    needed = {str(field.type) for kind in KINDS.values() for field in fields(kind)}
    assert needed == set(_DECODERS)


def test_every_array_of_a_forest_has_a_type():
    assert {_dtype_of(str(field.type)) for field in fields(Trees)} == {
        np.bool_,
        np.int32,
        np.int64,
        np.float64,
    }


def test_the_example_has_every_step(model):
    assert {type(step).__name__ for step in model.steps} == set(KINDS)


floats = st.floats(width=64)
finite = st.floats(width=64, allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = {
    ColumnType.DOUBLE: floats,
    ColumnType.BIGINT: st.integers(-(2**63), 2**63 - 1),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.VARCHAR: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    ColumnType.TIMESTAMP: st.integers(-(2**63), 2**63 - 1),
}


class Writer:
    """Draws valid steps, one of each kind by its method, and keeps the columns' types."""

    def __init__(self, draw, columns):
        self.draw = draw
        self.types = {column.name: column.type for column in columns}
        self.sourced = list(self.types)
        self.wrote = 0

    def reads(self, *, numbers=True, count=None):
        known = [name for name, kind in self.types.items() if kind.is_number or not numbers]
        if count:
            return tuple(self.draw(st.sampled_from(known)) for _ in range(count))
        return tuple(self.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))

    def writes(self, count, kinds=None):
        new = tuple(f"step {self.wrote + i}\0" for i in range(count))
        self.wrote += count
        self.types.update(zip(new, kinds or [ColumnType.DOUBLE] * count, strict=True))
        return new

    def array(self, *shape):
        size = math.prod(shape)
        values = self.draw(st.lists(floats, min_size=size, max_size=size))
        return np.array(values, np.float64).reshape(shape)

    def column_by_column(self, kind, *rest):
        inputs = self.reads()
        return kind(inputs, self.writes(len(inputs)), *rest)

    def one_of(self, values):
        return self.draw(st.sampled_from(list(values)))

    def require(self):
        largest = self.draw(st.floats(0, math.inf))
        return s.Require(
            self.reads(numbers=False), self.draw(names), self.draw(st.booleans()), True, largest
        )

    def require_range(self):
        low, high = sorted(self.draw(st.lists(finite, min_size=2, max_size=2)))
        return s.RequireRange(self.reads(), self.draw(names), low, high)

    def null_if(self):
        return self.column_by_column(s.NullIf, self.draw(floats), self.draw(floats))

    def impute(self):
        inputs = self.reads(numbers=False)
        kinds = [self.types[name] for name in inputs]
        fills = tuple(self.draw(VALUES[kind]) for kind in kinds)
        return s.Impute(inputs, self.writes(len(inputs), kinds), fills)

    def is_missing(self):
        inputs = self.reads(numbers=False)
        return s.IsMissing(inputs, self.writes(len(inputs)))

    def arithmetic(self):
        inputs = self.reads()
        operands = self.array(len(inputs))
        return s.Arithmetic(inputs, self.writes(len(inputs)), self.one_of(s.Operator), operands)

    def clip(self):
        return self.column_by_column(s.Clip, self.draw(floats), self.draw(floats))

    def lookup(self):
        inputs = self.reads(numbers=False, count=1)
        keys = self.draw(st.lists(VALUES[self.types[inputs[0]]], unique=True, max_size=4))
        defaults = self.draw(st.none() | floats), self.draw(st.none() | floats)
        values = self.array(len(keys))
        return s.Lookup(inputs, self.writes(1), self.draw(names), tuple(keys), values, *defaults)

    def one_hot(self):
        codes = self.array(self.draw(st.integers(0, 3)))
        return s.OneHot(self.reads(count=1), self.writes(len(codes)), codes)

    def dot(self):
        inputs, outputs = self.reads(), self.writes(self.draw(st.integers(0, 2)))
        return s.Dot(
            inputs, outputs, self.array(len(inputs), len(outputs)), self.array(len(outputs))
        )

    def float32_dot(self):
        dot = self.dot()
        return s.Float32Dot(dot.inputs, dot.outputs, dot.weights, dot.intercepts)

    def lookup_row(self):
        inputs, outputs = self.reads(), self.writes(self.draw(st.integers(1, 2)))
        rows = self.draw(st.integers(1, 3))
        keys = np.arange(float(rows * len(inputs))).reshape(rows, -1)
        values, unknown = self.array(rows, len(outputs)), self.array(len(outputs))
        return s.LookupRow(inputs, outputs, keys, values, unknown)

    def finite(self, *shape):
        size = math.prod(shape)
        return np.array(self.draw(st.lists(finite, min_size=size, max_size=size))).reshape(shape)

    def kernel_sum(self):
        inputs, outputs = self.reads(), self.writes(self.draw(st.integers(0, 2)))
        kernels = tuple(self.draw(st.lists(st.sampled_from(s.Kernel), min_size=1, max_size=2)))
        points, count = self.draw(st.integers(0, 3)), len(kernels)
        return s.KernelSum(
            inputs,
            outputs,
            self.finite(points, len(inputs)),
            self.finite(points, len(outputs)),
            self.finite(len(outputs)),
            self.finite(points),
            kernels,
            self.finite(count, len(inputs)),
            *(self.finite(count) for _ in range(4)),
        )

    def neighbours(self):
        inputs, outputs = self.reads(), self.writes(self.draw(st.integers(0, 2)))
        points = self.draw(st.integers(1, 4))
        return s.Neighbours(
            inputs,
            outputs,
            self.draw(names),
            self.finite(points, len(inputs)),
            self.finite(points, len(outputs)),
            np.array(self.draw(st.permutations(range(points))), np.int64),
            self.draw(st.integers(0, points.bit_length() - 1)),
            self.draw(st.integers(1, points)),
            self.one_of(s.Metric),
            self.one_of(s.Weighting),
            self.draw(st.booleans()),
        )

    def couple(self):
        classes = self.draw(st.integers(2, 3))
        inputs = self.reads(count=classes * (classes - 1) // 2)
        return s.Couple(inputs, self.writes(classes))

    def product(self):
        inputs = self.reads()
        return s.Product(inputs + inputs[::-1], self.writes(len(inputs)))

    def sum(self):
        inputs = self.reads()
        return s.Sum(inputs + inputs[::-1], self.writes(len(inputs)))

    def weighted_median(self):
        weights = self.draw(st.lists(finite, min_size=2, max_size=2))
        return s.WeightedMedian(self.reads(count=2), self.writes(1), np.abs(weights))

    def coalesce(self):
        inputs = self.reads()
        return s.Coalesce(inputs + inputs[::-1], self.writes(len(inputs)))

    def normalize(self):
        return self.column_by_column(s.Normalize, self.one_of(s.Norm))

    def forest(self):
        inputs, outputs = self.reads(), self.writes(self.draw(st.integers(1, 2)))
        trees = self.draw(forests(len(inputs), len(outputs)))
        start, precision = self.array(len(outputs)), self.one_of(s.Precision)
        return s.Forest(inputs, outputs, trees, start, precision)

    def linear_forest(self):
        inputs, outputs = self.reads(), self.writes(self.draw(st.integers(1, 2)))
        trees = self.draw(forests(len(inputs), len(outputs)))
        nodes = len(trees.feature)
        sizes = self.draw(st.lists(st.integers(0, 2), min_size=nodes, max_size=nodes))
        reads = [self.draw(st.integers(0, len(inputs) - 1)) for _ in range(sum(sizes))]
        return s.LinearForest(
            inputs,
            outputs,
            trees,
            self.array(nodes),
            np.cumsum([0, *sizes], dtype=np.int64),
            np.array(reads, np.int32),
            self.array(len(reads)),
            self.draw(st.floats(0, math.inf)),
        )

    def elementwise(self):
        return self.column_by_column(s.Elementwise, self.one_of(s.Function))

    def interpolate(self):
        points = sorted(self.draw(st.lists(finite, min_size=1, max_size=4)))
        xs, ys = np.array(points), np.array(points[::-1])
        return s.Interpolate(self.reads(count=1), self.writes(1), xs, ys)

    def b_splines(self):
        knots = np.array(sorted(self.draw(st.lists(finite, min_size=4, max_size=6))))
        return s.BSplines(self.reads(count=1), self.writes(len(knots) - 2), knots)

    def softmax(self):
        return self.column_by_column(s.Softmax, self.one_of(s.Precision))

    def log_softmax(self):
        return self.column_by_column(s.LogSoftmax)

    def argmax(self):
        return s.Argmax(self.reads(), self.writes(1))

    def exceeds(self):
        return s.Exceeds(self.reads(count=1), self.writes(1), self.draw(floats))

    def onnx(self):
        inputs = self.sources({ColumnType.DOUBLE, ColumnType.BIGINT, ColumnType.BOOLEAN})
        cells = (s.Cell.NUMBER,) * len(inputs)
        labels = tuple(self.draw(st.lists(st.integers(-3, 3), unique=True, max_size=3)))
        return s.Onnx(inputs, self.writes(2), cells, EMPTY_GRAPH, self.answers(), labels)

    def skops(self):
        inputs = self.sources({ColumnType.VARCHAR, ColumnType.DOUBLE})
        cells = tuple(
            s.Cell.NUMBER if self.types[name].is_number else self.one_of(TEXTS) for name in inputs
        )
        asked = ("predict", self.one_of(["decision_function", "predict_proba"]))
        return s.Skops(
            *(inputs, self.writes(1), cells, self.draw(st.booleans()), A_LIST),
            *(("numpy.mean",), self.draw(names), asked, (True, False)),
        )

    def sources(self, kinds):
        known = [name for name in self.sourced if self.types[name] in kinds]
        return tuple(self.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))

    def answers(self):
        return tuple(self.draw(st.lists(names, min_size=1, max_size=2)))


EMPTY_GRAPH = np.frombuffer(b":\0", np.uint8)
A_LIST = np.frombuffer(skops.io.dumps([1.0]), np.uint8)
TEXTS = [s.Cell.TEXT, s.Cell.TEXT_OR_NONE]
METHODS = [name for name in vars(Writer) if name.replace("_", "") in map(str.lower, KINDS)]


def test_every_step_is_drawn():
    assert len(METHODS) == len(KINDS)


@st.composite
def forests(draw, inputs, outputs):
    """Grow trees by splitting random leaves; input 0 is split by order, the others by set."""
    nodes, roots = [], []
    for _ in range(draw(st.integers(1, 3))):
        roots.append(len(nodes))
        leaves = [len(nodes)]
        nodes.append([-1, 0, 0])
        for _ in range(draw(st.integers(0, 4))):
            leaf = leaves.pop(draw(st.integers(0, len(leaves) - 1)))
            children = [len(nodes), len(nodes) + 1]
            nodes[leaf] = [draw(st.integers(0, inputs - 1)), *children]
            nodes += [[-1, 0, 0], [-1, 0, 0]]
            leaves += children
    feature, left, right = np.array(nodes, np.int32).T
    sets = draw(st.lists(st.sets(st.integers(0, 2**31 - 1), max_size=3), min_size=1, max_size=3))
    count = len(nodes)
    numbers = st.lists(floats, min_size=count, max_size=count)
    threshold = np.array(draw(numbers))
    choices = st.lists(st.integers(0, len(sets) - 1), min_size=count, max_size=count)
    return Trees(
        feature=feature.copy(),
        threshold=np.nan_to_num(threshold, nan=0.5, posinf=np.inf, neginf=-np.inf),
        left=left.copy(),
        right=right.copy(),
        missing_left=np.array(draw(numbers)) > 0,
        category_set=np.where(feature > 0, draw(choices), -1).astype(np.int32),
        set_start=np.cumsum([0, *map(len, sets)], dtype=np.int64),
        set_values=np.array([value for members in sets for value in sorted(members)], np.int32),
        value=np.array(draw(numbers)),
        cover=np.array(draw(numbers)),
        root=np.array(roots, np.int32),
        output=np.array([draw(st.integers(0, outputs - 1)) for _ in roots], np.int32),
    )


@st.composite
def models(draw):
    kinds = [ColumnType.DOUBLE, *draw(st.lists(st.sampled_from(ColumnType), max_size=3))]
    labels = draw(st.lists(names, min_size=len(kinds), max_size=len(kinds), unique_by=str.casefold))
    columns = tuple(
        Column(
            label, kind, draw(st.booleans()), draw(st.none() | st.lists(VALUES[kind]).map(tuple))
        )
        for label, kind in zip(labels, kinds, strict=True)
    )
    writer = Writer(draw, columns)
    drawn = draw(st.lists(st.sampled_from(METHODS), max_size=5))
    steps = tuple(getattr(writer, method)() for method in [*drawn, "exceeds"])
    classes = draw(st.none() | st.just(("a", "b")) | st.just((True, 1, 1.0)))
    outputs = Outputs(steps[-1].outputs, classes, (), steps[-1].outputs)
    background = draw(st.dictionaries(names, floats, max_size=2))
    residuals = tuple(sorted(draw(st.lists(st.floats(min_value=0)))))
    return Model(Signature(columns), steps, outputs, background, residuals)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(model=models())
def test_any_model_comes_back_bit_by_bit(model, plain):
    content, digest = encode_bundle(Bundle(model))
    again = decode_bundle(content, digest).model
    assert plain(again) == plain(model)
    assert encode_bundle(Bundle(again)) == (content, digest)
