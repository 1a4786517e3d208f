"""The zip of a version: its bytes, its names, what is in it, and what cannot be shipped."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor

from foresql.errors import UnsupportedModelError
from foresql.frontends import Training
from foresql.frontends.skops import keep_whole
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle, decode_bundle, encode_bundle
from foresql.kernels import build_program
from foresql.udfs.snowflake import artifact as shipping
from foresql.udfs.snowflake.artifact import build_artifact
from foresql.udfs.snowflake.functions import served_functions
from foresql.udfs.snowflake.sources import EMPTY, PACKAGE

REBUILD = """
import sys
from pathlib import Path
from foresql.ir.bundle import read_bundle
from foresql.udfs.snowflake.artifact import build_artifact
made = build_artifact(read_bundle(Path(sys.argv[1])), "Delay of flights", 7)
print(made.digest, made.module, made.inline is not None)
"""


def members(artifact) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(artifact.content)) as archive:
        assert archive.testzip() is None
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def dot_model(columns: int) -> Model:
    names = tuple(f"c{index}" for index in range(columns))
    signature = Signature(tuple(Column(name, ColumnType.DOUBLE) for name in names))
    step = s.Dot(names, ("out",), np.ones((columns, 1)), np.zeros(1))
    return Model(signature, (step,), Outputs(("out",), margins=("out",)))


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_two_processes_write_the_same_bytes(seed, flight_model, tmp_path):
    path = tmp_path / "model.foresql"
    path.write_bytes(encode_bundle(Bundle(flight_model.model))[0])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    said = subprocess.run(
        [sys.executable, "-c", REBUILD, path],
        check=True, capture_output=True, text=True, env=environment,
    ).stdout.split()  # fmt: skip
    here = build_artifact(Bundle(flight_model.model), "Delay of flights", 7)
    assert said == [here.digest, here.module, "True"]
    assert here.digest == hashlib.sha256(here.content).hexdigest()


def test_neither_the_card_nor_the_native_program_change_the_zip(flight_model):
    model = flight_model.model
    full = Bundle(model, {"metrics": {"mae": 1.0}}, build_program(model) or b"")
    assert build_artifact(full, "delay", 7) == build_artifact(Bundle(model), "delay", 7)


def test_names_carry_the_version_and_a_hash(flight_model):
    model = flight_model.model
    first = build_artifact(Bundle(model), "delay", 7)
    assert first.module.startswith("foresql_delay_v7_")
    assert first.file_name == f"{first.module}.zip"
    assert first.stage_path == f"delay/v7-{first.digest[:16]}/{first.file_name}"
    functions, _ = served_functions(model)
    assert [first.handler(f) for f in functions] == [
        f"{first.module}.{kind}" for kind in ("predict", "explain", "interval")
    ]
    others = [
        build_artifact(Bundle(model), "delay", 8),
        build_artifact(Bundle(replace(model, residuals=())), "delay", 7),
        build_artifact(Bundle(model), 'De"lay\n\\ é', 7),
    ]
    assert len({first.module, *(other.module for other in others)}) == 4
    assert all(other.module.isascii() and other.module.isidentifier() for other in others)


def test_what_is_shipped_is_this_package(flight_model):
    found = members(flight_model.artifact)
    model = found.pop("model.foresql")
    root = found.pop("__init__.py")
    assert b"limits" in root
    assert decode_bundle(model).card == {}
    for path, blob in found.items():
        assert blob.decode() == EMPTY.get(path, (PACKAGE / path).read_text())


def test_only_what_the_model_needs_is_shipped(flight_model):
    paths = set(members(flight_model.artifact))
    assert not [path for path in paths if "native" in path or path.startswith("frontends")]
    absent = {"arrow", "scorer", "rows", "onnx", "skops", "whole", "neighbours", "kernel_sum"}
    assert not {Path(path).stem for path in paths if path.startswith("kernels/")} & absent
    no_explain = replace(
        flight_model.model, outputs=replace(flight_model.model.outputs, margins=())
    )
    smaller = set(members(build_artifact(Bundle(no_explain), "delay", 7)))
    assert "kernels/tree_shap.py" in paths - smaller


def test_a_model_beyond_the_inline_limit_is_a_file_only(flight_model, monkeypatch):
    assert flight_model.artifact.inline is not None
    size = len(flight_model.artifact.inline)
    assert "$$" not in flight_model.artifact.inline
    monkeypatch.setattr(shipping, "MOST_INLINE", size)
    assert build_artifact(Bundle(flight_model.model), "delay", 7).inline is not None
    monkeypatch.setattr(shipping, "MOST_INLINE", size - 1)
    assert build_artifact(Bundle(flight_model.model), "delay", 7).inline is None


def test_a_model_that_is_kept_whole_is_refused():
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 2.0, 1.0]})
    estimator = GaussianProcessRegressor(optimizer=None).fit(frame, [0.0, 1.0, 2.0, 1.0])
    model = keep_whole(estimator, Training.of(frame, estimator))
    with pytest.raises(UnsupportedModelError, match=r"skops step: it is run by scikit-learn"):
        build_artifact(Bundle(model), "m", 1)


@pytest.mark.parametrize(("columns", "packed"), [(499, False), (500, False), (501, True)])
def test_more_columns_than_arguments_are_packed(columns, packed):
    functions, _ = served_functions(dot_model(columns))
    assert [(f.kind, f.packed) for f in functions] == [("predict", packed), ("explain", packed)]


def test_an_intervals_level_counts_as_an_argument():
    functions, _ = served_functions(replace(dot_model(500), residuals=(1.0,)))
    packed = {function.kind: function.packed for function in functions}
    assert packed == {"predict": False, "explain": False, "interval": True}


def lookup_model(keys: tuple[int, ...]) -> Model:
    step = s.Lookup(("k",), ("out",), "it", keys, np.arange(float(len(keys))), -1.0, -2.0)
    signature = Signature((Column("k", ColumnType.BIGINT),))
    return Model(signature, (step,), Outputs(("out",)))


@pytest.mark.parametrize(
    ("keys", "declared"),
    [((1, 2), "FLOAT"), ((2**53 - 1,), "FLOAT"), ((2**53,), "NUMBER(38, 0)")],
)
def test_keys_that_a_float_tells_apart_are_floats(keys, declared):
    functions, _ = served_functions(lookup_model(keys))
    assert functions[0].arguments[0].type == declared


def test_functions_name_types_answers_and_omissions(flight_model):
    functions, omitted = served_functions(flight_model.model)
    assert {f.kind: f.returns for f in functions} == {
        "predict": "FLOAT", "explain": "OBJECT", "interval": "OBJECT",
    }  # fmt: skip
    assert [a.type for a in functions[0].arguments] == ["FLOAT", "FLOAT", "BOOLEAN", "VARCHAR"]
    assert [a.name for a in functions[2].arguments][-1] == "level"
    assert list(omitted) == ["predict_proba"]
