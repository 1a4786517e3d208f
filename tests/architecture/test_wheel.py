"""The wheel, built from clean sources and used where no training library is installed."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    sources = copy_sources(tmp_path_factory.mktemp("sources"))
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, sources)
    return next(out.glob("foresql-*.whl"))


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
    compiled = {name for name in shipped if name.startswith("kernels/native/_forest.")}
    assert shipped - compiled == {name for name in source_files() if belongs_in_wheel(name)}
    assert len(compiled) == (1 if shutil.which("cc") or shutil.which("gcc") else 0)


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
    data = name == "py.typed" or name.startswith("dbt_project/")
    return not name.startswith(outside) and (name.endswith(".py") or data)


def source_of(name: str) -> str:
    return name.removeprefix("foresql/")


def run(*command: object) -> str:
    line = [str(part) for part in command]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
