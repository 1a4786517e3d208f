"""Single rows of plain values: the answers, and the refusals, of a batch of one."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from foresql.errors import ScoringError, SignatureError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import RowScorer, Scorer

MOMENT = datetime(2024, 5, 6, 7, 8, 9, 10)  # noqa: DTZ001 - a local time, as engines have it
MICROSECONDS = 1_714_979_289_000_010
GOOD = {"x": 1.5, "t": "é", "b": 7, "f": True, "w": MOMENT}


@pytest.fixture(scope="module")
def model() -> Model:
    keys = {"t": ("é", ""), "b": (7, 2**60 + 1), "f": (True,), "w": (MICROSECONDS,)}
    lookups = [
        s.Lookup((name,), (f"{name}|n",), "Enc", known, np.arange(len(known)) + 1.0, -1.0, -2.0)
        for name, known in keys.items()
    ]
    names = ("x", *(f"{name}|n" for name in keys))
    dot = s.Dot(names, ("y",), 10.0 ** np.arange(5)[:, None], np.zeros(1))
    finite = s.Require(("x",), "Est", missing=False, infinite=True)
    columns = [
        *(Column("x", ColumnType.DOUBLE), Column("t", ColumnType.VARCHAR)),
        *(Column("b", ColumnType.BIGINT), Column("f", ColumnType.BOOLEAN)),
        Column("w", ColumnType.TIMESTAMP),
    ]
    return Model(Signature(tuple(columns)), (finite, *lookups, dot), Outputs(("y",)))


@pytest.fixture(params=["native", "python"])
def rows(request, model, monkeypatch) -> RowScorer:
    if request.param == "python":
        monkeypatch.setenv("FORESQL_KERNEL", "numpy")
    return RowScorer(Scorer(model))


@pytest.mark.parametrize(
    "changes",
    [
        *({}, {"x": None}, {"x": math.nan}, {"x": 2**53 + 1}, {"x": True}, {"x": np.float32(0.1)}),
        *({"x": np.int64(3)}, {"x": Decimal("0.1")}, {"t": None}, {"t": "other"}, {"t": ""}),
        *({"b": None}, {"b": 8}, {"b": 2**60 + 1}, {"b": np.int64(7)}, {"b": np.int8(7)}),
        *({"f": None}, {"f": False}, {"w": None}, {"w": datetime(2000, 1, 1)}),  # noqa: DTZ001
        *({"w": date(2024, 5, 6)}, {"w": np.datetime64("2024-05-06T07:08:09.000010")}),
    ],
    ids=str,
)
def test_a_row_is_a_batch_of_one(rows, model, changes):
    row = GOOD | changes
    columns = {name: pa.array([value]) for name, value in row.items()}
    wanted = Scorer(model, None).score(pa.table(columns)).prediction[0, 0]
    same(rows.answers(row)[0], wanted)
    same(rows.answers(tuple(row.values()))[0], wanted)
    same(rows.answers(list(row.values()))[0], wanted)
    same(rows.answers(MappingProxyType({"more": 1, **row}))[0], wanted)


def same(found: float, wanted: float) -> None:
    assert found == wanted or (math.isnan(found) and math.isnan(wanted))


@pytest.mark.parametrize(
    "changes",
    [
        *({"x": "1"}, {"x": b"1"}, {"x": MOMENT}, {"x": [1.0]}),
        *({"t": 1}, {"t": b"e"}, {"t": ["e"]}),
        *({"b": 7.0}, {"b": True}, {"b": "7"}, {"b": 2**64}, {"f": 1}, {"f": "True"}, {"w": 5}),
        *({"w": "2024"}, {"w": MOMENT.replace(tzinfo=UTC)}, {"x": {1}}),
    ],
    ids=str,
)
def test_values_of_another_type(rows, changes):
    with pytest.raises(SignatureError):
        rows.answers(GOOD | changes)


def test_a_row_that_is_refused(rows):
    with pytest.raises(ScoringError, match="'x' is infinite"):
        rows.answers(GOOD | {"x": math.inf})
    assert rows.answers(GOOD)[0] == 11111 + 0.5


def test_rows_that_lack_a_column(rows):
    with pytest.raises(SignatureError, match=r"'f' is missing\. There are: x, t, b, w"):
        rows.answers({name: value for name, value in GOOD.items() if name != "f"})
    with pytest.raises(SignatureError, match="reads 5 columns, and the row has 2"):
        rows.answers([1.0, "é"])


def test_threads_share_it(rows):
    def run(number: int) -> bool:
        return all(rows.answers(GOOD | {"x": number})[0] == 11110 + number for _ in range(200))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(20)))


def test_a_model_of_one_column():
    step = s.Clip(("x",), ("y",), 0.0, 1.0)
    model = Model(Signature((Column("x", ColumnType.DOUBLE),)), (step,), Outputs(("y",)))
    rows = RowScorer(Scorer(model))
    assert rows.answers({"x": 0.25})[0] == rows.answers([0.25])[0] == 0.25
