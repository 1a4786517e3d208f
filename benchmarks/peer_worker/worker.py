"""Runs in a peer's own environment: loads a LightGBM model file, scores, and times itself.

Every line of standard input is a request, every line of standard output its answer, both in JSON:

* ``{"do": "load", "peer": name, "model": path, "threads": 1, "options": {}}`` gives the seconds
  that it took and the peer's version,
* ``{"do": "predict", "rows": path, "to": path}`` stores the answers to the rows of an .npy file,
* ``{"do": "time"}`` gives the seconds that the rows of the last ``predict`` take.

What the peer wants made of the rows (another type, its own matrix) is made before the clock starts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Loaded = tuple[Callable[[np.ndarray], Any], Callable[[Any], np.ndarray]]
    """What makes the peer's input of rows, and what scores that input."""


def load_lleaves(model: str, threads: int, **options: Any) -> Loaded:
    """LLVM code for the forest."""
    import lleaves

    compiled = lleaves.Model(model_file=model)
    compiled.compile(**options)
    return np.asarray, lambda rows: compiled.predict(rows, n_jobs=threads)


def load_treelite(model: str, threads: int) -> Loaded:
    """Treelite's general inference library, which walks the trees."""
    import treelite

    forest = treelite.frontend.load_lightgbm_model(model)
    return np.asarray, lambda rows: treelite.gtil.predict(forest, rows, nthread=threads)


def load_tl2cgen(model: str, threads: int) -> Loaded:
    """C code for the forest, compiled with -O3."""
    import tl2cgen
    import treelite

    forest = treelite.frontend.load_lightgbm_model(model)
    units = {"parallel_comp": 16}
    with TemporaryDirectory() as folder:
        library = Path(folder) / "forest.so"
        tl2cgen.export_lib(forest, toolchain="gcc", libpath=library, params=units, nthread=2)
        compiled = tl2cgen.Predictor(library, nthread=threads)
    return lambda rows: tl2cgen.DMatrix(rows, dtype="float64"), compiled.predict


def load_onedal(model: str, threads: int) -> Loaded:
    """Gradient boosting of oneDAL, through daal4py."""
    import daal4py
    import lightgbm

    daal4py.daalinit(threads)
    converted = daal4py.mb.convert_model(lightgbm.Booster(model_file=model))
    return np.ascontiguousarray, converted.predict


def load_onnxruntime(model: str, threads: int) -> Loaded:
    """TreeEnsembleRegressor of ONNX Runtime, in float32: all that the converter writes."""
    import lightgbm
    import onnxruntime
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = lightgbm.Booster(model_file=model)
    rows = FloatTensorType([None, booster.num_feature()])
    graph = convert_lightgbm(booster, initial_types=[("rows", rows)], target_opset=15)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    return np.float32, lambda rows: session.run(None, {"rows": rows})[0]


def load_orbital(model: str, threads: int) -> Loaded:
    """Fit scikit-learn to the rows of an .npz file; what orbital writes of it runs in DuckDB."""
    import duckdb
    import orbital
    import pandas as pd
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.pipeline import Pipeline

    given = np.load(model)
    names = [f"x{index}" for index in range(given["rows"].shape[1])]
    trees = GradientBoostingRegressor(random_state=0, max_features=5)
    pipeline = Pipeline([("model", trees)])
    pipeline.fit(pd.DataFrame(given["rows"], columns=names), given["target"])
    double = orbital.types.DoubleColumnType()
    parsed = orbital.parse_pipeline(pipeline, features=dict.fromkeys(names, double))
    query = orbital.export_sql("rows", parsed, dialect="duckdb")
    connection = duckdb.connect(config={"threads": threads})

    def prepare(rows: np.ndarray) -> np.ndarray:
        connection.register("given", pd.DataFrame(rows, columns=names))
        connection.execute("CREATE OR REPLACE TABLE rows AS FROM given")
        return rows

    return prepare, lambda _: next(iter(connection.execute(query).fetchnumpy().values()))


PEERS = {
    "lleaves": (load_lleaves, "lleaves"),
    "treelite": (load_treelite, "treelite"),
    "tl2cgen": (load_tl2cgen, "tl2cgen"),
    "onedal": (load_onedal, "scikit-learn-intelex"),
    "onnxruntime": (load_onnxruntime, "onnxruntime"),
    "orbital": (load_orbital, "orbital"),
}


class Worker:
    """Keeps the model and the rows between requests."""

    def load(
        self, peer: str, model: str, threads: int, options: dict[str, Any]
    ) -> dict[str, object]:
        """Make the model ready to predict."""
        started = time.perf_counter()
        load, package = PEERS[peer]
        self.prepare, self.run = load(model, threads, **options)
        return {"seconds": time.perf_counter() - started, "version": version(package)}

    def predict(self, rows: str, to: str) -> dict[str, object]:
        """Score the rows of a file, and keep them for the clock."""
        self.rows = self.prepare(np.load(rows))
        np.save(to, np.asarray(self.run(self.rows), np.float64).ravel())
        return {}

    def time(self) -> dict[str, object]:
        """Score the kept rows once."""
        started = time.perf_counter()
        self.run(self.rows)
        return {"seconds": time.perf_counter() - started}


def main() -> None:
    """Answer requests until standard input ends."""
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
