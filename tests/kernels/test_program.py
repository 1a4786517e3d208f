"""Each step's native form against the step in Python: the same bits, the same refusals."""

import ctypes
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from foresql.errors import BundleError, ForesqlError, ScoringError, SignatureError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.steps import Function, Norm, Operator, Precision
from foresql.kernels import Scorer, build_program, program_problem
from foresql.kernels.native import load_library
from foresql.kernels.native.operations import FORMAT_VERSION

pytestmark = pytest.mark.skipif(load_library() is None, reason="the native kernel was not built")

NASTY = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 1e-310, -5e-324, 1e300, -1e300, 88.7, -103.0),
    *(709.782712893384, 709.7827128933841, -708.4, -745.2, -750.0, 3.4e38, 1e39, 2.0**53),
    *(math.inf, -math.inf, math.nan),
)


def nasty(columns: int, rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    odd = rng.choice(NASTY, (columns, rows))
    values = np.where(rng.random(odd.shape) < 0.5, odd, rng.normal(size=odd.shape) * 3)
    return pa.table({f"x{i}": column for i, column in enumerate(values)})


def numbers(columns: int) -> list[Column]:
    return [Column(f"x{i}", ColumnType.DOUBLE) for i in range(columns)]


def model_of(columns, *steps, outputs=None) -> Model:
    outputs = outputs or s.outputs_of(steps[-1])
    return Model(Signature(tuple(columns)), steps, Outputs(tuple(outputs)))


def check(model: Model, batch) -> None:
    """Hold the program's answers, or its refusal, against those of the steps in Python."""
    native, steps = Scorer(model), Scorer(model, None)
    assert native.program is not None, program_problem(model)
    try:
        wanted = steps.score(batch)
    except ForesqlError as error:
        kind, message = type(error), str(error)
    else:
        kind, message = None, ""
    if kind:
        with pytest.raises(kind) as caught:
            native.score(batch)
        assert str(caught.value) == message
        return
    found = native.program.score(batch)
    assert found is not None
    same_scores(found, wanted)
    same_scores(native.program.score_frame(native.decoder.decode(batch)), wanted)


def same_scores(found, wanted) -> None:
    for name in ("prediction", "probabilities", "margins"):
        same_bits(getattr(found, name), getattr(wanted, name))


def same_bits(found, wanted) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype == np.float64
    missing = np.isnan(wanted)
    assert np.array_equal(np.isnan(found), missing)
    assert np.array_equal(found[~missing].view(np.int64), wanted[~missing].view(np.int64))


X = ("x0", "x1", "x2", "x3")
Y = ("y0", "y1", "y2", "y3")
RNG = np.random.default_rng(7)
WEIGHTS = RNG.normal(size=(4, 4)) * np.array([1, 1e200, 1e-300, 1])
OPERANDS = np.array([0.0, -1.5, math.inf, 1e-300])
FUNCTIONS = (
    *("sigmoid", "exp", "expm1", "log", "signed_square", "log1p_exp", "absolute", "square", "sqrt"),
    *("negative", "reciprocal", "sign", "floor", "ceil", "rint", "trunc", "sklearn_confidence"),
    *("float32", "float32_exp", "float32_sigmoid", "fmath_exp"),
)
OPERATORS = [operator for operator in Operator if operator is not Operator.POWER]
STEPS = {
    "null if": s.NullIf(X, Y, -1.0, 1.0),
    "null if minus zero": s.NullIf(X, Y, -0.0, -0.0),
    "impute": s.Impute(X, Y, (1.5, -0.0, math.inf, math.nan)),
    "is missing": s.IsMissing(X, Y),
    "coalesce": s.Coalesce(X, Y[:2]),
    "clip": s.Clip(X, Y, -0.0, 0.5),
    "clip to nothing": s.Clip(X, Y, 2.0, -2.0),
    "dot": s.Dot(X, Y, WEIGHTS, WEIGHTS[0]),
    "dot of one": s.Dot(X, Y[:1], WEIGHTS[:, :1], np.array([-0.0])),
    "float32 dot": s.Float32Dot(X, Y, WEIGHTS, WEIGHTS[1]),
    "product": s.Product(X, Y[:2]),
    "sum": s.Sum(X, Y[:2]),
    "sum of all": s.Sum(X, Y[:1]),
    "interpolate": s.Interpolate(
        ("x0",), ("y0",), np.array([-1.0, 0, 0, 2]), np.array([3.0, 1, 2, -1])
    ),
    "a single point": s.Interpolate(("x0",), ("y0",), np.array([1.0]), np.array([3.0])),
    "softmax": s.Softmax(X, Y),
    "softmax in float32": s.Softmax(X, Y, Precision.FLOAT32),
    "softmax of fmath": s.Softmax((*X, "x4"), (*Y, "y4"), exponential=Function.FMATH_EXP),
    "argmax": s.Argmax(X, ("y",)),
    "exceeds": s.Exceeds(("x0",), ("y",), -0.0),
    **{f"arithmetic: {o}": s.Arithmetic(X, Y, o, OPERANDS) for o in OPERATORS},
    **{f"elementwise: {f}": s.Elementwise(X, Y, Function(f)) for f in FUNCTIONS},
    **{f"normalize: {norm}": s.Normalize(X, Y, norm) for norm in Norm},
    "lookup row": s.LookupRow(
        ("x0", "x1"),
        Y[:2],
        np.array([[0.0, 1.0], [0.5, -1.0], [-1.0, 1.0], [1.0, math.inf]]),
        np.arange(8.0).reshape(4, 2),
        np.array([-1.0, math.nan]),
    ),
}


@pytest.mark.parametrize("rows", [0, 1, 511, 513, 1200])
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_step(name, rows):
    check(model_of(numbers(5), STEPS[name]), nasty(5, rows))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_of_many_numbers(function):
    bits = np.random.default_rng(1).integers(0, 2**64, 40_000, np.uint64).view(np.float64)
    near = np.random.default_rng(2).normal(size=40_000) * 100
    table = pa.table({"x0": np.concatenate([bits, near])})
    check(model_of(numbers(1), s.Elementwise(("x0",), ("y",), Function(function))), table)


LARGEST = 3.4028234663852886e38
BEYOND = math.nextafter(LARGEST, math.inf)
LARGE = (LARGEST, BEYOND, -LARGEST, -BEYOND, 1.7976931348623157e308, -1.7976931348623157e308)
ODD = (math.nan, -math.nan, math.inf, -math.inf, *LARGE, 3.5, 1.0000000000000002, 0.1, -0.0, 5e-324)


@pytest.mark.parametrize(
    "step",
    [
        s.Require(X, "Est", missing=True, infinite=False),
        s.Require(X, "Est", missing=False, infinite=True),
        s.Require(X, "Est", missing=False, infinite=False, largest=LARGEST),
        s.Require(X, "Est", missing=False, infinite=False, largest=1.0),
        s.Require(X, "Est", missing=False, infinite=False, largest=0.0),
        s.RequireRange(X, "Est", -1e10, 2.0),
    ],
)
@pytest.mark.parametrize("odd", [None, *ODD])
def test_refusals(step, odd):
    columns = {name: np.arange(600.0) % 2 for name in X}
    if odd is not None:
        columns["x2"][555] = odd
    model = model_of(numbers(4), step, s.Sum(X, ("y",)))
    table = pa.table(columns)
    check(model, table)
    assert message_of(model, table) == refusal_of(model, table)


def refusal_of(model: Model, table: pa.Table) -> str:
    try:
        Scorer(model, None).score(table)
    except ScoringError as error:
        return str(error)
    return ""


def message_of(model: Model, table: pa.Table) -> str:
    """Ask C itself, as a host without Python does."""
    program = Scorer(model).program
    structs, _kept = program.columns.of_batch(table)
    answers = np.empty((sum(program.groups), len(table)))
    message = ctypes.create_string_buffer(400)
    load_library().loaded.foresql_program_run(
        program.address, structs, len(table), answers.ctypes.data, len(table),
        program.scratch().ctypes.data, program.variant, message, 400,
    )  # fmt: skip
    return message.value.decode()


# Keys.

LONGER = "a longer text than twelve bytes"
TEXTS = ("", "a", "b", "é", LONGER, f"{LONGER[:-1]}z", "8bytes!!")
KEYS = {
    ColumnType.VARCHAR: (TEXTS, [*TEXTS, None, "A", "a ", "nan", "8bytes!?", "x" * 300]),
    ColumnType.BIGINT: (
        (0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1),
        [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1, 2**53, 7, None],
    ),
    ColumnType.BOOLEAN: ((False, True), [False, True, None]),
    ColumnType.TIMESTAMP: (
        (0, -1, 1_700_000_000_000_000),
        [datetime(1970, 1, 1), datetime(2000, 1, 1), datetime(2023, 11, 14, 22, 13, 20), None],  # noqa: DTZ001
    ),
}


def keys_model(column_type, *, missing: float | None, unknown: float | None) -> Model:
    keys = KEYS[column_type][0]
    lookup = s.Lookup(("k",), ("n",), "Enc", keys, np.arange(len(keys)) / 3, missing, unknown)
    fewer = s.Lookup(("k",), ("m",), "Enc", keys[:2], np.array([4.0, 5.0]), -1.0, -2.0)
    hot = s.OneHot(("n",), tuple(f"h{i}" for i in range(4)), np.array([0.0, 1 / 3, 0.7, -1.0]))
    ins = ("x0", *hot.outputs, "n", "m", "h0")
    weights = np.random.default_rng(3).normal(size=(len(ins), 2))
    dot = s.Dot(ins, ("y0", "y1"), weights, np.array([1.0, -1.0]))
    gone = s.IsMissing(("k",), ("gone",))
    signature = [Column("k", column_type), *numbers(1)]
    outputs = ("y0", "y1", "gone", "h2", "n")
    return model_of(signature, lookup, fewer, hot, gone, dot, outputs=outputs)


def keys_table(column_type, rows: int) -> pa.Table:
    values = KEYS[column_type][1]
    rng = np.random.default_rng(5)
    arrow = {"timestamp": pa.timestamp("us"), "bigint": pa.int64()}.get(column_type.value)
    picked = [values[i] for i in rng.integers(0, len(values), rows)]
    return pa.table({"k": pa.array(picked, arrow), "x0": rng.normal(size=rows)})


@pytest.mark.parametrize("rows", [0, 1, 513])
@pytest.mark.parametrize("column_type", KEYS)
def test_keys(column_type, rows):
    model = keys_model(column_type, missing=-1.0, unknown=math.nan)
    check(model, keys_table(column_type, rows))


@pytest.mark.parametrize("column_type", KEYS)
@pytest.mark.parametrize(("missing", "unknown"), [(None, 2.0), (2.0, None), (None, None)])
def test_refused_keys(column_type, missing, unknown):
    model = keys_model(column_type, missing=missing, unknown=unknown)
    table = keys_table(column_type, 600)
    check(model, table)
    if unknown is None and missing is not None and column_type not in {"boolean", "timestamp"}:
        with pytest.raises(ScoringError) as caught:
            Scorer(model, None).score(table)
        assert message_of(model, table) == str(caught.value)


@pytest.mark.parametrize("column_type", KEYS)
def test_imputed_keys(column_type):
    keys = KEYS[column_type][0]
    impute = s.Impute(("k",), ("f",), (keys[1],))
    lookup = s.Lookup(("f",), ("n",), "Enc", keys, np.arange(float(len(keys))), None, -2.0)
    require = s.Require(("f",), "Est", missing=True, infinite=True)
    model = model_of([Column("k", column_type), *numbers(1)], impute, require, lookup)
    check(model, keys_table(column_type, 700))
    required = s.Require(("k",), "Est", missing=True, infinite=True)
    check(model_of(model.signature.columns, required, impute, lookup), keys_table(column_type, 700))


@pytest.mark.parametrize("unknown", [None, 9.0])
def test_numbers_as_keys(unknown):
    keys = (1.0, -1.0, 0.0, math.inf, 2.5)
    lookup = s.Lookup(("x0",), ("n",), "Enc", keys, np.arange(5.0), -1.0, unknown)
    clip = s.Clip(("x1",), ("c",), -1.0, 1.0)
    second = s.Lookup(("c",), ("m",), "Enc", keys, np.arange(5.0) + 0.5, -1.0, unknown)
    hot = s.OneHot(("m",), ("a", "b", "c2"), np.array([-1.0, 0.5, 7.0]))
    model = model_of(numbers(2), lookup, clip, second, hot, outputs=("n", "m", "a", "c2"))
    check(model, nasty(2, 700))
    plain = pa.table({"x0": np.array([1.0, -0.0] * 300), "x1": np.array([-7.0, 0.0] * 300)})
    check(model, plain)


def test_a_column_that_is_both_key_and_number():
    lookup = s.Lookup(("k",), ("n",), "Enc", (1, 2), np.array([5.0, 6.0]), -1.0, -2.0)
    total = s.Sum(("k", "n"), ("y",))
    model = model_of([Column("k", ColumnType.BIGINT)], lookup, total)
    check(model, pa.table({"k": pa.array([1, 2, None, 2**60 + 1, 3])}))
    check(model, pa.table({"k": pa.array([1, 2, None, 3], pa.uint8()).dictionary_encode()}))


# Columns of Arrow.

SUM = model_of(numbers(2), s.Arithmetic(("x0", "x1"), Y[:2], Operator.ADD, np.array([1.0, 2.0])))
WIDTHS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()),
    *(pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.decimal128(30, 3)),
]  # fmt: skip


def column(arrow: pa.DataType, *, with_nulls: bool) -> pa.Array:
    odd = [None] if with_nulls else []
    if pa.types.is_boolean(arrow):
        values = [True, False, True, *odd]
    elif pa.types.is_integer(arrow):
        bits = arrow.bit_width - (0 if arrow in {pa.uint8(), pa.uint64()} else 1)
        values = [0, 1, 2**bits - 1, 2 ** (bits - 1) + 1, 2 ** (bits // 2), *odd]
    elif pa.types.is_decimal(arrow):
        values = [Decimal("0.001"), Decimal("12345678901234567.123"), *odd]
    elif arrow == pa.float16():
        values = [*np.array([0.1, -2, 6e4], np.float16), *odd]
    else:
        values = [0.1, -0.0, math.nan, math.inf, *odd]
    return pa.array(values * 200, arrow)


@pytest.mark.parametrize("with_nulls", [False, True])
@pytest.mark.parametrize("arrow", WIDTHS, ids=str)
def test_widths_of_numbers(arrow, with_nulls):
    x = column(arrow, with_nulls=with_nulls)
    table = pa.table({"x0": x, "x1": np.arange(len(x), dtype=float)})
    for start, length in [(0, len(x)), (1, 3), (7, 520), (3, 0)]:
        check(SUM, table.slice(start, length))


@pytest.mark.parametrize("arrow", [t for t in WIDTHS if pa.types.is_integer(t)], ids=str)
def test_widths_of_keys(arrow):
    keys = keys_model(ColumnType.BIGINT, missing=-1.0, unknown=-2.0)
    x = column(arrow, with_nulls=True)
    check(keys, pa.table({"k": x, "x0": np.ones(len(x))}).slice(5, 515))


@pytest.mark.parametrize("arrow", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_widths_of_texts(arrow):
    model = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    table = keys_table(ColumnType.VARCHAR, 700)
    table = table.set_column(0, "k", table["k"].cast(arrow))
    for start, length in [(0, 700), (1, 3), (131, 560)]:
        check(model, table.slice(start, length))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_units_of_times(unit):
    model = keys_model(ColumnType.TIMESTAMP, missing=-1.0, unknown=-2.0)
    table = keys_table(ColumnType.TIMESTAMP, 300)
    check(model, table.set_column(0, "k", table["k"].cast(pa.timestamp(unit))))
    check(model, table.set_column(0, "k", table["k"].cast(pa.date32(), safe=False)))


@pytest.mark.parametrize("column_type", KEYS)
def test_dictionaries(column_type):
    model = keys_model(column_type, missing=-1.0, unknown=-2.0)
    table = keys_table(column_type, 700)
    coded = table["k"].combine_chunks().dictionary_encode()
    check(model, table.set_column(0, "k", coded))
    check(model, table.set_column(0, "k", coded).slice(3, 600))


def test_chunks_structs_and_batches():
    model = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    table = keys_table(ColumnType.VARCHAR, 900)
    chunked = pa.concat_tables([table.slice(0, 100), table.slice(300, 1), table.slice(350)])
    check(model, chunked)
    check(model, chunked.slice(50, 200))
    batch = table.combine_chunks().to_batches()[0]
    check(model, batch)
    check(model, batch.slice(13, 777))
    struct = batch.to_struct_array()
    check(model, struct)
    check(model, struct.slice(5, 600))
    mask = pa.array(np.arange(900) % 3 == 0)
    arrays = [struct.field(name) for name in ("k", "x0")]
    check(model, pa.StructArray.from_arrays(arrays, ["k", "x0"], mask=mask))


def test_columns_of_nothing_and_of_another_order():
    model = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    check(model, pa.table({"z": [1, 2], "x0": pa.nulls(2), "k": pa.nulls(2)}))


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"k": ["a"]}),
        pa.table({"x0": [1.0]}),
        pa.table({"k": [1], "x0": [1.0]}),
        pa.table({"k": ["a"], "x0": ["1"]}),
        pa.table({"k": pa.array([1]).dictionary_encode(), "x0": [1.0]}),
    ],
)
def test_columns_that_cannot_be_read(table):
    model = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    with pytest.raises(SignatureError):
        Scorer(model, None).score(table)
    check(model, table)


def test_an_integer_beyond_64_bits():
    model = keys_model(ColumnType.BIGINT, missing=-1.0, unknown=-2.0)
    check(model, pa.table({"k": pa.array([1, 2**63], pa.uint64()), "x0": [1.0, 2.0]}))


# Programs.


def test_the_same_model_has_the_same_program():
    model = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    again = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    assert build_program(model) == build_program(again) != b""


def test_what_no_answer_needs_is_left_out():
    wide = s.Elementwise(("x0",), ("unused",), Function.EXP)
    narrow = s.Exceeds(("x0",), ("y",), 0.0)
    longer = build_program(model_of(numbers(1), wide, narrow, outputs=("unused", "y")))
    assert len(build_program(model_of(numbers(1), wide, narrow))) < len(longer)


def test_a_step_without_a_native_form_is_named():
    step = s.Elementwise(("x0",), ("y",), Function.NUMPY_EXP)
    model = model_of(numbers(1), s.Clip(("x0",), ("c",), 0.0, 1.0), step)
    assert program_problem(model) == "step 1 (Elementwise): the function numpy_exp runs in Python"
    assert build_program(model) == b""
    scorer = Scorer(model)
    assert scorer.program is None
    assert scorer.score(pa.table({"x0": [0.0]})).prediction[0, 0] == 1.0


def test_the_setting_keeps_the_steps_in_python(monkeypatch):
    monkeypatch.setenv("FORESQL_KERNEL", "numpy")
    assert Scorer(SUM).program is None


def test_a_program_of_another_format_is_built_again():
    content = build_program(SUM)
    later = content[:8] + (FORMAT_VERSION + 1).to_bytes(4, "little") + content[12:]
    assert Scorer(SUM, later).program is not None


def test_a_program_of_another_model_is_refused():
    other = build_program(keys_model(ColumnType.BIGINT, missing=-1.0, unknown=-2.0))
    with pytest.raises(BundleError, match="not its model's"):
        Scorer(SUM, other)


def test_threads_share_a_program():
    model = keys_model(ColumnType.VARCHAR, missing=-1.0, unknown=-2.0)
    scorer, table = Scorer(model), keys_table(ColumnType.VARCHAR, 3000)
    wanted = scorer.score(table)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: scorer.score(table), range(40)):
            same_scores(found, wanted)
