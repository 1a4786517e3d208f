"""The native kernel gives numpy's bits on other processors and systems, in an emulator."""

import os
import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from random_trees import random_rows, random_trees

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.kernels.native.library import SETTING
from foresql.kernels.native.program import build_program

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "kernels" / "native"
FEATURES = 7
WINE = next((path for path in ("wine64", "/usr/lib/wine/wine64") if shutil.which(path)), "wine64")

# A compiler, how to start what it makes, and the packages of Debian that bring both.
PLATFORMS = {
    "Linux on aarch64": (
        ["aarch64-linux-gnu-gcc", "-static"],
        ["qemu-aarch64"],
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
    ),
    "Windows on x86-64": (
        ["x86_64-w64-mingw32-gcc", "-static"],
        [WINE],
        "gcc-mingw-w64-x86-64 wine64",
    ),
}
CASES = {
    "stumps": {"leaves": 2},
    "small": {"leaves": 31},
    "several outputs": {"leaves": 64, "trees": 12, "outputs": 3},
    "many leaves": {"leaves": 256, "trees": 5},
    "more than a byte": {"leaves": 700, "trees": 4},
    "chains": {"leaves": 120, "chain": True},
    "categories": {"leaves": 31, "categories": {0: 40, 3: 254}},
    "many categories": {"leaves": 31, "categories": {0: 9, 1: 300, 2: 5000}},
    "uneven thresholds": {"thresholds": [-1e300, -1.0, -1e-310, 0.0, 5e-324, 1e-9, 1.0, 1e300]},
}


ROWS = (1, 65, 1500)


@pytest.fixture(scope="module", params=PLATFORMS)
def found(request, cases, tmp_path_factory):
    """Run all cases on a platform at once: Wine takes seconds to start."""
    compiler, emulator, packages = PLATFORMS[request.param]
    if not (shutil.which(compiler[0]) and shutil.which(emulator[0])):
        pytest.skip(f"no compiler or no emulator: apt-get install {packages}")
    folder = tmp_path_factory.mktemp("platform")
    flags = ["-std=c11", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
    sources = [HERE / "run_program.c", *sorted(NATIVE.glob("*.c"))]
    subprocess.run([*compiler, *flags, "-o", folder / "run.exe", *sources, "-lm"], check=True)
    arguments = []
    for number, (model, values, _) in enumerate(cases.values()):
        (folder / f"{number}.program").write_bytes(build_program(model))
        (folder / f"{number}.table").write_bytes(np.concatenate(values).tobytes())
        names = f"{number}.program", f"{number}.table", str(len(values[0])), f"{number}.answers"
        arguments += names
    # What Wine writes stays out of the user's home.
    environment = os.environ | {"WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}
    command = [*emulator, folder / "run.exe", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers = [np.frombuffer((folder / f"{i}.answers").read_bytes()) for i in range(len(cases))]
    return dict(zip(cases, answers, strict=True))


@pytest.fixture(scope="module")
def cases():
    """Make a model, its rows and numpy's answers for each case."""
    made = {}
    for name, precision, rows in product(CASES, s.Precision, ROWS):
        options = {"features": FEATURES, **CASES[name]}
        rng = np.random.default_rng([len(name), rows])
        trees = random_trees(rng, **options)
        values = random_rows(rng, trees, FEATURES, rows, options.get("categories"))
        model = model_of(trees, options.get("outputs", 1), precision)
        table = pa.table(dict(zip(model.signature.names, values, strict=True)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SETTING, "numpy")
            expected = Scorer(model).score(table).prediction
        made[name, precision, rows] = model, values, expected
    return made


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("precision", s.Precision)
@pytest.mark.parametrize("name", CASES)
def test_same_bits(found, cases, name, precision, rows):
    *_, expected = cases[name, precision, rows]
    assert np.isfinite(expected).all()
    assert found[name, precision, rows].tobytes() == expected.T.tobytes()


def model_of(trees, outputs, precision) -> Model:
    names = tuple(f"x{i}" for i in range(FEATURES))
    answers = tuple(f"y{i}" for i in range(outputs))
    step = s.Forest(names, answers, trees, np.full(outputs, 0.5), precision)
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in names)
    return Model(Signature(columns), (step,), Outputs(answers))
