"""One row through Python: ours, ``Booster.predict`` and LightGBM's C API for single rows."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
from lightgbm import basic
from measuring import compare, largest_difference, report
from measuring.boosters import CATEGORIES, large, small

from foresql.frontends import Training, convert
from foresql.kernels import Scorer
from foresql.scoring import OnlineModel

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightgbm as lgb
    from measuring import Row

CALLS = 1_000
FLOAT64, RAW_SCORE = 1, 1
"""C_API_DTYPE_FLOAT64 and C_API_PREDICT_RAW_SCORE of LightGBM's c_api.h."""


def main() -> None:
    """Ask each way for the same rows, one after another."""
    rows: list[Row] = []
    for name, (booster, matrix) in (
        ("100 x 31 x 20", small()),
        ("500 x 127 x 30, 5 categorical", large(CATEGORIES)),
    ):
        rows += against(name, booster, np.ascontiguousarray(matrix[:CALLS]))
    report("single_row", rows)


def against(name: str, booster: lgb.Booster, matrix: np.ndarray) -> list[Row]:
    """Compare with both ways of LightGBM; a row of the table is one call."""
    one, given = our_call(booster, matrix)
    expected = booster.predict(matrix, raw_score=True)
    difference = largest_difference([one(row) for row in given], expected)
    singles = [matrix[index : index + 1] for index in range(len(matrix))]
    fast = single_row_fast(booster, matrix.shape[1])
    addresses = [row.ctypes.data for row in matrix]
    peers: tuple[tuple[str, Callable[[], object], float], ...] = (
        ("Booster.predict", lambda: [booster.predict(row, num_threads=1) for row in singles], 10.0),
        ("C API, SingleRowFast, through ctypes", lambda: [fast(row) for row in addresses], 1.0),
    )
    return [
        compare(
            f"{name}: one row of {len(matrix):,}",
            peer,
            lambda: [one(row) for row in given],
            theirs,
            bar=bar,
            max_diff=difference,
            rounds=5,
            calls=len(matrix),
        )
        for peer, theirs, bar in peers
    ]


def our_call(
    booster: lgb.Booster, matrix: np.ndarray
) -> tuple[Callable[[object], float], list[object]]:
    """Give our function for one row, and the rows as it takes them."""
    scorer = Scorer(convert(booster, Training.of(matrix, booster)))
    return OnlineModel(scorer, "model", None).predict, matrix.tolist()


def single_row_fast(booster: lgb.Booster, columns: int) -> Callable[[int], float]:
    """Prepare LightGBM's own fast path: what it can prepare is prepared once, here."""
    library = basic._LIB  # noqa: SLF001 - LightGBM has no public way to its C API
    config = ctypes.c_void_p()
    code = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle,  # noqa: SLF001 - same
        ctypes.c_int(RAW_SCORE),
        ctypes.c_int(0),
        ctypes.c_int(-1),
        ctypes.c_int(FLOAT64),
        ctypes.c_int32(columns),
        b"num_threads=1",
        ctypes.byref(config),
    )
    if code:
        raise RuntimeError(library.LGBM_GetLastError())
    predict = library.LGBM_BoosterPredictForMatSingleRowFast
    predict.argtypes = [ctypes.c_void_p] * 4
    length, answer = ctypes.c_int64(), ctypes.c_double()
    length_at, answer_at = ctypes.addressof(length), ctypes.addressof(answer)
    at = config.value

    def run(row: int) -> float:
        predict(at, row, length_at, answer_at)
        return answer.value

    return run


if __name__ == "__main__":
    main()
