"""The wheel, built from clean sources and used where no training library is installed."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
COMPILED = ("kernels/native/_forest.", "udfs/duckdb/extension/foresql.duckdb_extension")
TRAINING_LIBRARIES = ("lightgbm", "pandas", "polars", "scipy", "sklearn")

SCORE = """
import json, sys
import duckdb, foresql

registry, rows = sys.argv[1:]
con = duckdb.connect()
foresql.register(con, "m:1", registry=registry)
con.sql(f"CREATE TABLE t AS FROM '{rows}'")
scores = con.sql("SELECT predict_m(t) FROM t ORDER BY row_number").fetchall()
print(json.dumps([score for (score,) in scores]))
"""

KERNEL = """
from foresql.kernels.native import library
loaded = library.load_library()
print(loaded.path if loaded else None)
"""

HAS_COMPILER = bool(shutil.which("cc") or shutil.which("gcc"))
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler: nothing to compare")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory)


@pytest.fixture(scope="module")
def wheel_without_compiler(tmp_path_factory):
    return build_wheel(tmp_path_factory, CC="false")


@pytest.fixture(scope="module")
def clean_python(wheel, tmp_path_factory):
    """Python of a new environment that holds the wheel and what it asks for, and no more."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", environment)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return python


def test_wheel_holds_the_package_and_its_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {source_of(name) for name in names if name.startswith("foresql/")}
    compiled = {name for name in shipped if name.startswith(COMPILED)}
    assert shipped - compiled == {name for name in source_files() if belongs_in_wheel(name)}
    assert len(compiled) == (len(COMPILED) if HAS_COMPILER else 0)


@needs_compiler
def test_one_wheel_serves_every_python(wheel):
    python, abi, platform = wheel.stem.split("-")[-3:]
    assert (python, abi) == ("py3", "none")
    assert platform != "any"


@needs_compiler
def test_native_kernel_is_the_wheels_own(clean_python):
    path = Path(run(clean_python, "-c", KERNEL).strip())
    assert path.is_relative_to(clean_python.parents[1])
    assert path.name in {"_forest.so", "_forest.dll"}


def test_training_libraries_are_absent(clean_python):
    script = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    assert run(clean_python, "-c", script, *TRAINING_LIBRARIES).strip() == "[]"


def test_command_starts(clean_python):
    assert "Usage" in run(clean_python.with_name("foresql"), "--help")


@pytest.mark.parametrize("kernel", ["numpy", ""])
def test_scores_as_lightgbm_does(clean_python, tmp_path, monkeypatch, kernel):
    monkeypatch.setenv("FORESQL_KERNEL", kernel)
    expected = publish_regressor(tmp_path / "registry", tmp_path / "rows.parquet")
    output = run(clean_python, "-c", SCORE, tmp_path / "registry", tmp_path / "rows.parquet")
    assert np.array_equal(np.array(json.loads(output)), expected)


@pytest.mark.skipif(sys.platform == "win32", reason="CC does not choose the compiler on Windows")
def test_without_a_compiler_numpy_gives_the_same_bits(
    wheel_without_compiler, clean_python, tmp_path
):
    assert wheel_without_compiler.name.endswith("-py3-none-any.whl")
    zipfile.ZipFile(wheel_without_compiler).extractall(tmp_path / "unpacked")
    unpacked = {"PYTHONPATH": str(tmp_path / "unpacked")}
    assert run(clean_python, "-c", KERNEL, **unpacked).strip() == "None"
    expected = publish_regressor(tmp_path / "registry", tmp_path / "rows.parquet")
    rows = tmp_path / "rows.parquet"
    output = run(clean_python, "-c", SCORE, tmp_path / "registry", rows, **unpacked)
    assert np.array_equal(np.array(json.loads(output)), expected)


def build_wheel(tmp_path_factory, **environment: str) -> Path:
    sources = copy_sources(tmp_path_factory.mktemp("sources"))
    out = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--outdir", out, sources)
    run(*build, **environment)
    return next(out.glob("foresql-*.whl"))


def publish_regressor(registry: Path, rows: Path) -> np.ndarray:
    """Publish `m:1`, write rows that it has not seen, and return LightGBM's raw scores of them."""
    import lightgbm
    import pandas as pd

    import foresql

    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(2_000, 4)), columns=["a", "b", "c", "d"])
    frame = frame.mask(random.random(frame.shape) < 0.1)
    target = frame["a"].fillna(1.0) * frame["b"].fillna(-1.0) + frame["c"].fillna(0.0)
    train, test = frame[:1_500], frame[1_500:]
    model = lightgbm.LGBMRegressor(n_estimators=40, verbose=-1).fit(train, target[:1_500])

    foresql.publish("m", model, like=train, registry=registry)
    test.assign(row_number=range(len(test))).to_parquet(rows)
    return model.predict(test, raw_score=True)


def copy_sources(folder: Path) -> Path:
    for name in source_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


def source_files() -> list[str]:
    """What a clone would hold: tracked files, and new ones that are not ignored."""
    listing = run(
        "git", "-C", REPOSITORY, "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    return [name for name in listing.split("\0") if name and (REPOSITORY / name).is_file()]


def belongs_in_wheel(name: str) -> bool:
    outside = ("benchmarks/", "docs/", "tests/", "typings/", "setup.py")
    data = name in {"py.typed", "serving/page/try.html"} or name.startswith("dbt_project/")
    return not name.startswith(outside) and (name.endswith(".py") or data)


def source_of(name: str) -> str:
    return name.removeprefix("foresql/")


def run(*command: object, **environment: str) -> str:
    line = [str(part) for part in command]
    # What runs is what is installed, not what the session's own path holds.
    variables = {**os.environ, "PYTHONPATH": ""} | environment
    done = subprocess.run(line, check=False, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
