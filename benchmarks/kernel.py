"""The kernels against ``Booster.predict``: numpy's, and the native one where it was built."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from measuring import Row, compare, largest_difference, report
from measuring.boosters import CATEGORIES, large, small

from foresql.frontends import Training, convert
from foresql.kernels import Scorer
from foresql.kernels.native import load_library
from foresql.kernels.native.library import SETTING

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightgbm as lgb
    import numpy as np
    import pyarrow as pa

    from foresql.ir import Model

ROUNDS = 7
CASES: dict[str, tuple[Callable[[], tuple[lgb.Booster, np.ndarray]], dict[str, float]]] = {
    "100 trees x 31 leaves x 20 features": (small, {"numpy": 2.5, "avx2": 20.0, "avx512": 35.0}),
    "500 x 127 x 30, missing values": (large, {"numpy": 2.0, "avx512": 30.0}),
    "500 x 127 x 30, 5 categorical": (
        lambda: large(CATEGORIES),
        {"numpy": 2.0, "avx512": 30.0},
    ),
}
ON_TWO_THREADS = 25.0


def main() -> None:
    """Run each model on each kernel, then the best kernel on two threads."""
    library = load_library()
    here = ("numpy", *(("baseline", "avx2", "avx512")[: library.best + 1] if library else ()))
    rows: list[Row] = []
    for name, (make, bars) in CASES.items():
        booster, matrix = make()
        kernels = [kernel for kernel in here if kernel in bars or kernel == here[-1]]
        rows += [against(name, kernel, bars.get(kernel, 0), booster, matrix) for kernel in kernels]
        if here[-1] != "numpy":
            rows.append(against(name, here[-1], ON_TWO_THREADS, booster, matrix, threads=2))
    report("kernel", rows)


def against(  # noqa: PLR0913, PLR0917 - what makes a case
    name: str, kernel: str, bar: float, booster: lgb.Booster, matrix: np.ndarray, threads: int = 1
) -> Row:
    """Compare raw scores on the same rows; ours reads them from Arrow."""
    os.environ[SETTING] = kernel
    training = Training.of(matrix, booster)
    score = scoring(convert(booster, training), training.table, threads)
    theirs = booster.predict(matrix, num_threads=threads)
    return compare(
        f"{name}: {kernel}",
        "Booster.predict",
        score,
        lambda: booster.predict(matrix, num_threads=threads),
        bar=bar,
        max_diff=largest_difference(score(), theirs),
        rounds=ROUNDS,
        threads=threads,
    )


def scoring(model: Model, table: pa.Table, threads: int) -> Callable[[], np.ndarray]:
    """Make the function that scores all rows, on so many threads."""
    scorer = Scorer(model, threads=threads)
    return lambda: scorer.score(table).prediction[:, 0]


if __name__ == "__main__":
    main()
