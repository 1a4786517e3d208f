"""Fuzz forests: the native kernel gives the bits of the numpy kernel, on every instruction set."""

import os
import sys
import warnings
from dataclasses import replace

import atheris

with atheris.instrument_imports(include=["foresql.kernels"]):
    from foresql.ir import Column, ColumnType, Model, Outputs, Signature
    from foresql.ir import steps as s
    from foresql.kernels import Scorer
    from foresql.kernels.native import load_library
    from foresql.kernels.native.library import _VARIANTS

import numpy as np
import pyarrow as pa
from random_trees import random_rows, random_trees

ROWS = [0, 1, 2, 63, 64, 65, 511, 512, 513, 1025]
LEAVES = [1, 2, 3, 31, 64, 255, 256, 257, 400]
CATEGORIES = [2, 8, 9, 253, 254, 255, 300, 65536]


def compare(content: bytes) -> None:
    """Make a forest and rows of the bytes, and score them on every kernel."""
    given = atheris.FuzzedDataProvider(content)
    rng = np.random.default_rng(given.ConsumeIntInRange(0, 2**32))
    features, outputs = given.ConsumeIntInRange(1, 7), given.ConsumeIntInRange(1, 4)
    categories = {
        i: given.PickValueInList(CATEGORIES) for i in range(given.ConsumeIntInRange(0, 3))
    }
    single = given.ConsumeBool()
    leaves = given.PickValueInList(LEAVES)
    options = {
        "trees": given.ConsumeIntInRange(1, max(1, min(12, 200 // leaves))),
        "leaves": leaves,
        "chain": given.ConsumeBool() and leaves < 70,
    }
    rows = given.PickValueInList(ROWS)
    floats = np.array(given.ConsumeFloatList(given.ConsumeIntInRange(0, 400)), np.float64)
    floats = floats[~np.isnan(floats)]
    trees = random_trees(
        rng,
        features=features,
        outputs=outputs,
        categories=categories,
        thresholds=floats if len(floats) else None,
        **options,
    )
    if single:  # with other leaves, no native sums in float32 are tried
        trees = replace(trees, value=trees.value.astype(np.float32).astype(np.float64))
    names = tuple(f"x{i}" for i in range(features))
    answers = tuple(f"y{i}" for i in range(outputs))
    precision = s.Precision.FLOAT32 if single else s.Precision.FLOAT64
    step = s.Forest(names, answers, trees, np.full(outputs, 0.5), precision)
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in names)
    model = Model(Signature(columns), (step,), Outputs(answers))
    values = random_rows(rng, trees, features, rows, categories)
    table = pa.table(dict(zip(names, map(pa.array, values), strict=True)))
    expected = scores_of(model, table, "numpy")
    for variant in VARIANTS:
        assert scores_of(model, table, variant) == expected, variant


def scores_of(model: Model, table: pa.Table, kernel: str) -> bytes:
    """Give the bits of the answers."""
    os.environ["FORESQL_KERNEL"] = kernel
    return Scorer(model).score(table).prediction.tobytes()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    library = load_library()
    if library is None:
        sys.exit("The native kernel was not built.")
    VARIANTS = _VARIANTS[: library.best + 1]
    atheris.Setup(sys.argv, compare)
    atheris.Fuzz()
