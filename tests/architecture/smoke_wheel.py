"""Use an installed wheel: both kernels give the same bits for a bundle that is read from disk.

python tests/architecture/smoke_wheel.py                    # with the native kernel
python tests/architecture/smoke_wheel.py --without-kernel   # the wheel for any platform
"""

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle, encode_bundle, read_bundle
from foresql.kernels import Scorer
from foresql.kernels.native import load_library

sys.path.append(str(Path(__file__).parents[1] / "support"))

from random_trees import random_rows, random_trees

FEATURES = 6
CATEGORIES = {0: 40}


def main(*, with_kernel: bool) -> None:
    """Check where the kernel comes from, and what it gives."""
    library = load_library()
    if with_kernel:
        assert library, "this wheel holds no native kernel"
        installed = Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))
        assert any(map(library.path.is_relative_to, installed)), (
            f"it was loaded from {library.path}"
        )
    else:
        assert library is None, "this wheel holds a native kernel"
    rng = np.random.default_rng(1)
    for leaves in (1, 31, 256, 700):
        options = {"leaves": leaves, "features": FEATURES, "categories": CATEGORIES}
        trees = random_trees(rng, trees=20, outputs=2, **options)
        model = round_trip(model_of(trees))
        values = random_rows(rng, trees, FEATURES, 1_500, CATEGORIES)
        table = pa.table({f"x{i}": pa.array(column) for i, column in enumerate(values)})
        found = scores_of(model, table, kernel="")
        assert found == scores_of(model, table, kernel="numpy"), f"trees of {leaves} leaves differ"
    sys.stdout.write(f"the wheel works; its kernel is {library.path if library else 'numpy'}\n")


def model_of(trees) -> Model:
    """Make a model of one forest with two outputs."""
    names = tuple(f"x{i}" for i in range(FEATURES))
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in names)
    step = s.Forest(names, ("y0", "y1"), trees, np.array([0.5, 0.0]), s.Precision.FLOAT64)
    return Model(Signature(columns), (step,), Outputs(("y0", "y1")))


def round_trip(model: Model) -> Model:
    """Write a bundle, and read it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.foresql"
        path.write_bytes(encode_bundle(Bundle(model))[0])
        return read_bundle(path).model


def scores_of(model: Model, table: pa.Table, kernel: str) -> bytes:
    """Give the bits of the answers."""
    os.environ["FORESQL_KERNEL"] = kernel
    return Scorer(model).score(table).prediction.tobytes()


if __name__ == "__main__":
    main(with_kernel="--without-kernel" not in sys.argv[1:])
