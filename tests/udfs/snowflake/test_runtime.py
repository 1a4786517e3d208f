"""The exact zip in a clean environment: how it is loaded, forked, threaded, cut and broken."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from snowflake_models import Shipped, arguments_of, bits, wanted_of
from snowflake_runtime import Call, Column, run_calls

from foresql.errors import ScoringError
from foresql.ir import Column as ModelColumn
from foresql.ir import ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.archive import pack
from foresql.ir.bundle import Bundle
from foresql.kernels import Scorer
from foresql.udfs.snowflake.artifact import Artifact, build_artifact

ROWS = 120


def rows_of(shipped: Shipped) -> pa.Table:
    return shipped.training.table.slice(0, ROWS)


@pytest.mark.parametrize(
    "options",
    [
        {"hook": True},
        {"hook": False, "workers": 3, "threads": 4},
        {"form": "unpacked", "hook": False},
        {"form": "inline"},
    ],
    ids=["init, then fork", "threads race to load", "import directory", "inline"],
)
def test_every_way_in(options, flight_model, tmp_path):
    table = rows_of(flight_model)
    run = run_calls([flight_model.call(table)] * 12, tmp_path, **options)
    wanted = bits(wanted_of(flight_model, table))
    assert all(bits(said["values"]) == wanted for said in run.answers)
    assert run.facts["hooks"] == (1 if options.get("hook", True) else 0)
    assert set(run.facts["settings"].values()) == {"1"}
    assert flight_model.artifact.module in run.facts["modules"]
    absent = {"foresql", "pyarrow", "lightgbm", "sklearn", "scipy", "duckdb"}
    assert not absent.intersection(run.facts["modules"])


def edited(shipped: Shipped, number: int, path: str, old: str, new: str) -> Artifact:
    """Break the shipped code in one place, under a name of its own."""
    with zipfile.ZipFile(io.BytesIO(shipped.artifact.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    module = shipped.artifact.module
    name = f"{module}/{path}"
    assert files[name].count(old.encode()) == 1
    files[name] = files[name].replace(old.encode(), new.encode())
    mutant = f"{module}_mutant{number}"
    content = pack({each.replace(module, mutant): blob for each, blob in files.items()})
    return replace(shipped.artifact, module=mutant, content=content, digest=mutant)


MUTANTS = [
    ("kernels/coding.py", '(first, mode="clip") < values', '(first, mode="clip") <= values'),
    ("kernels/coding.py", 'values, side="left"', 'values, side="right"'),
    ("kernels/binmask.py", "trees.threshold[nodes]) + 1", "trees.threshold[nodes])"),
    ("kernels/binmask.py", "= ~trees.missing_left[nodes]", "= trees.missing_left[nodes]"),
]


def test_boundary_rows_catch_a_wrong_comparison(flight_model, tmp_path):
    # Thresholds that lie unevenly have no grid, and are searched.
    models = [flight_model, uneven(), flight_model, flight_model]
    calls, wanted = [], []
    for number, (shipped, mutant) in enumerate(zip(models, MUTANTS, strict=True)):
        boundaries = shipped.probes(300)[0]
        call = shipped.call(boundaries)
        calls += [call, replace(call, artifact=edited(shipped, number, *mutant))]
        wanted.append(bits(wanted_of(shipped, boundaries)))
    said = [bits(answer["values"]) for answer in run_calls(calls, tmp_path).answers]
    assert said[::2] == wanted
    for right, broken in zip(wanted, said[1::2], strict=True):
        assert sum(a != b for a, b in zip(broken, right, strict=True)) > 10


def uneven() -> Shipped:
    import lightgbm
    import pandas as pd

    x = np.repeat(2.0 ** -np.arange(40.0), 20)
    frame = pd.DataFrame({"x": x})
    options = {"n_estimators": 5, "num_leaves": 31, "min_child_samples": 2, "verbose": -1}
    options |= {"n_jobs": 1, "min_data_in_bin": 1}
    target = np.arange(40.0).repeat(20) % 5
    return Shipped.of("uneven", lightgbm.LGBMRegressor(**options).fit(frame, target), frame)


def test_explanations_and_intervals(flight_model, tmp_path):
    table = rows_of(flight_model)
    columns = arguments_of(flight_model.model, table)
    level = Column("float64", [0.8] * len(table))
    too_much = Column("float64", [1.0] * len(table))
    calls = [
        flight_model.call(table, "explain", parts=[50, 0, 70]),
        Call(flight_model.artifact, "interval", [*columns, level]),
        Call(flight_model.artifact, "interval", [*columns, too_much]),
    ]
    explained, interval, refused = (answer for answer in run_calls(calls, tmp_path).answers)
    wanted = wanted_of(flight_model, table)
    for row, value in zip(explained["values"], wanted, strict=True):
        assert list(row["contributions"]) == list(flight_model.model.signature.names)
        total = row["base_value"] + sum(row["contributions"].values())
        assert total == pytest.approx(value, abs=1e-9)
    middle = [(row["low"] + row["high"]) / 2 for row in interval["values"]]
    assert middle == pytest.approx(wanted, abs=1e-9)
    assert refused["error"].startswith("ScoringError: The confidence level of an interval")


def vector_model() -> Model:
    """Two outputs: one over x, and x itself; beyond 500 columns, which it does not read."""
    names = ("x", *(f"c{index}" for index in range(600)))
    signature = Signature(tuple(ModelColumn(name, ColumnType.DOUBLE) for name in names))
    steps = (
        s.Elementwise(("x",), ("inverse",), s.Function.RECIPROCAL),
        s.Elementwise(("x",), ("negative",), s.Function.NEGATIVE),
    )
    return Model(signature, steps, Outputs(("inverse", "negative")))


def test_packed_columns_and_vectors_that_json_cannot_hold(tmp_path):
    model = vector_model()
    artifact = build_artifact(Bundle(model), "vector", 1)
    row = dict.fromkeys(model.signature.names)
    rows = [{**row, "x": x} for x in (2.0, 0.0, -0.0, None, 4)]
    short = {name: 1.0 for name in model.signature.names if name != "c599"}
    wrong = {**row, "x": "2.0"}
    calls = [
        Call(artifact, "predict", [Column("object", each)])
        for each in (rows, [short], [wrong], [None])
    ]
    whole, lacking, text, null = run_calls(calls, tmp_path).answers
    assert bits(whole["values"]) == bits(
        [[0.5, -2.0], ["inf", -0.0], ["-inf", 0.0], ["NaN", "NaN"], [0.25, -4.0]]
    )
    assert "Column 'c599' is missing in the OBJECT" in lacking["error"]
    assert "Column 'x' holds '2.0', and the model was trained on numbers." in text["error"]
    assert "OBJECT_CONSTRUCT_KEEP_NULL" in null["error"]


def test_the_librarys_refusals_are_said_in_our_words(tmp_path):
    signature = Signature(
        (ModelColumn("a", ColumnType.DOUBLE), ModelColumn("k", ColumnType.BIGINT))
    )
    steps = (
        s.Require(("a",), "StandardScaler", missing=True, infinite=True, largest=np.inf),
        s.Lookup(("k",), ("code",), "OrdinalEncoder", (1, 2), np.array([0.0, 1.0]), -1.0, None),
        s.Sum(("a", "code"), ("out",)),
    )
    model = Model(signature, steps, Outputs(("out",)))
    artifact = build_artifact(Bundle(model), "strict", 1)
    tables = [
        {"a": [1.0, None], "k": [1, 2]},
        {"a": [1.0, np.inf], "k": [1, 2]},
        {"a": [1.0, 1.0], "k": [1, 3]},
        {"a": [1.0, 1.0], "k": [1, 2]},
    ]
    calls = [
        Call(artifact, "predict", [Column("float64", t["a"]), Column("float64", t["k"])])
        for t in tables
    ]
    *refused, fine = run_calls(calls, tmp_path).answers
    for table, answer in zip(tables, refused, strict=False):
        with pytest.raises(ScoringError) as raised:
            Scorer(model, None).score(pa.table(table))
        assert answer["error"] == f"{type(raised.value).__name__}: {raised.value}"
    assert fine["values"] == [1.0, 2.0]
