"""Programs come from files that anybody can write: damaged ones are refused, or run in bounds."""

import numpy as np
import pyarrow as pa
import pytest

from foresql.errors import BundleError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.steps import Function, Norm, Operator, Precision
from foresql.kernels import Decoder, build_program
from foresql.kernels.coding import codings_of
from foresql.kernels.native import load_library
from foresql.kernels.native.program import NativeProgram
from foresql.kernels.native.tables import build_tables

pytestmark = pytest.mark.skipif(load_library() is None, reason="the native kernel was not built")


def small_trees() -> Trees:
    """Trees that are blended: of four leaves, of a set and a split, and of one leaf."""
    splits = np.array([0, 1, 2, -1, -1, -1, -1, 3, -1, -1, -1], np.int32)
    left = np.array([1, 3, 5, 0, 0, 0, 0, 8, 0, 0, 0], np.int32)
    is_set = np.where(splits == 3, 0, -1).astype(np.int32)
    return Trees(
        feature=splits,
        threshold=np.where(splits >= 0, 0.75, 0.0),
        left=left,
        right=np.where(left, left + 1, 0).astype(np.int32),
        missing_left=splits == 1,
        category_set=is_set,
        set_start=np.array([0, 2]),
        set_values=np.array([0, 3], np.int32),
        value=np.arange(11.0),
        cover=np.ones(11),
        root=np.array([0, 7, 10], np.int32),
        output=np.zeros(3, np.int32),
    )


@pytest.fixture(scope="module")
def everything(forests) -> Model:
    """A model in which every operation occurs."""
    step = forests.step(forests.make(1, [1, 5, 12, 30]))
    small = small_trees()
    row_keys, values = np.array([[1.0, 0.5], [0.0, 0.5]]), np.arange(4.0).reshape(2, 2)
    steps = (
        s.Require(("x0", "k"), "Est", missing=True, infinite=True, largest=1e30),
        s.RequireRange(("x1",), "Est", -1e9, 1e9),
        s.Impute(("k", "x2"), ("k2", "x2f"), ("b", 0.5)),
        s.Lookup(("k2",), ("n",), "Enc", ("a", "b", "c"), np.array([0.0, 1.0, 2.0]), None, None),
        s.OneHot(("n",), ("h0", "h1", "h2"), np.array([0.0, 1.0, 2.0])),
        s.Lookup(("x1",), ("m",), "Enc", (0.5, 1.5), np.array([0.5, 0.25]), -1.0, -2.0),
        s.LookupRow(("n", "m"), ("r0", "r1"), row_keys, values, np.array([7.0, 8.0])),
        s.NullIf(("x1",), ("x1n",), 0.0, 0.0),
        s.IsMissing(("x1n", "k"), ("g0", "g1")),
        s.Coalesce(("x1n", "x0"), ("c",)),
        s.Arithmetic(("c",), ("d",), Operator.MODULO, np.array([0.7])),
        s.Clip(("d",), ("e",), 0.1, 0.6),
        s.Dot(("e", "h0", "h1", "h2", "n"), ("f0", "f1"), np.ones((5, 2)), np.ones(2)),
        s.Float32Dot(("f0", "f1"), ("i0", "i1"), np.ones((2, 2)), np.ones(2)),
        s.Product(("i0", "i1"), ("j",)),
        s.Sum(("j", "x0"), ("l",)),
        s.Normalize(("l", "x0", "r0"), ("o0", "o1", "o2"), Norm.EUCLIDEAN),
        s.Forest(step.inputs, ("s0", "s1"), step.trees, np.zeros(2), Precision.FLOAT64),
        s.Forest(step.inputs, ("b",), small, np.ones(1), Precision.FLOAT32),
        s.Elementwise(("s0",), ("t0",), Function.FMATH_EXP),
        s.Elementwise(("s1",), ("t1",), Function.FLOAT32_SIGMOID),
        s.Interpolate(("o0",), ("u",), np.array([0.0, 1.0]), np.array([1.0, 2.0])),
        s.Softmax(("t0", "t1", "u"), ("p0", "p1", "p2"), Precision.FLOAT32),
        s.Argmax(("p0", "p1", "p2"), ("v",)),
        s.Exceeds(("r1",), ("w",), 0.5),
    )
    columns = [Column(name, ColumnType.DOUBLE) for name in step.inputs]
    signature = Signature((*columns, Column("k", ColumnType.VARCHAR)))
    margins = ("s0", "s1", "b", "g0", "g1", "w", "o1", "o2", "h1")
    outputs = Outputs(("v",), ("x", "y", "z"), ("p0", "p1", "p2"), margins)
    return Model(signature, steps, outputs)


@pytest.fixture(scope="module")
def rows(everything) -> pa.Table:
    rng = np.random.default_rng(0)
    columns = {name: rng.choice([0.5, 1.5, 0.0, 3.0], 520) for name in everything.signature.names}
    columns["k"] = pa.array(rng.choice(["a", "b", "c"], 520))
    columns["x0"] = rng.random(520)
    return pa.table(columns)


def attempt(content: bytes, model: Model, decoder: Decoder, rows: pa.Table) -> bool:
    """Open a program and run it on full blocks and on one row; whether it could be opened."""
    try:
        program = NativeProgram(load_library(), content, decoder, model)
    except BundleError:
        return False
    program.score(rows)
    program.score(rows.slice(0, 1))
    return True


def test_a_whole_program_runs(everything, rows):
    content, decoder = build_program(everything), Decoder.of(everything)
    assert attempt(content, everything, decoder, rows)
    assert build_tables(small_trees(), codings_of(small_trees())) is not None
    program = NativeProgram(load_library(), content, decoder, everything)
    assert program.score(rows) is not None


def test_truncated_anywhere(everything, rows):
    content, decoder = build_program(everything), Decoder.of(everything)
    meat = len(content.rstrip(b"\0"))
    for end in {*range(0, 2000, 3), *range(2000, meat, 97), meat - 1}:
        assert not attempt(content[:end], everything, decoder, rows)


@pytest.mark.parametrize("seed", range(8))
def test_changed_bytes(everything, rows, seed):
    content, decoder = build_program(everything), Decoder.of(everything)
    rng = np.random.default_rng(seed)
    opened = 0
    for _ in range(250):
        edited = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            # Half of the changes are in the header and the operations, which say where all else is.
            end = len(content) if rng.random() < 0.5 else 6000
            edited[int(rng.integers(8, end))] = int(rng.choice([0, 1, 2, 127, 128, 255]))
        opened += attempt(bytes(edited), everything, decoder, rows)
    assert 0 < opened < 250


def test_numbers_in_the_operations(everything, rows):
    """Set each int32 of the header and the operations to what would lead out of bounds."""
    content, decoder = build_program(everything), Decoder.of(everything)
    words = np.frombuffer(content, np.int32)
    start = int(np.frombuffer(content, np.int64, 1, 72)[0]) // 4
    length = int(np.frombuffer(content, np.int64, 1, 80)[0]) // 4
    for position in [*range(2, 18), *range(start, start + length)]:
        for value in (-1, 2**31 - 1, int(words[position]) + 1):
            edited = words.copy()
            edited[position] = np.int32(np.uint32(value % 2**32).view(np.int32))
            attempt(edited.tobytes(), everything, decoder, rows)
