"""Runs where only numpy, pandas and perhaps LightGBM are: starts up, or times batches.

``start ours|theirs FOLDER`` gives the seconds from the first import to the first score;
``batch FOLDER ROWS`` those of one batch by the handler, and by ``Booster.predict`` on a frame and
on an array.
"""

from time import perf_counter

STARTED = perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

os.environ["OMP_NUM_THREADS"] = "1"
ROUNDS = 15


def handler(folder: str) -> Any:
    """Import the zip as Snowflake does."""
    import importlib

    name = Path(folder, "module.txt").read_text()
    sys.path.insert(0, f"{folder}/{name}.zip")
    return importlib.import_module(name)


def start(which: str, folder: str) -> dict[str, float]:
    """Import, load the model and score a row."""
    row = [[0.5] * int(Path(folder, "columns.txt").read_text())]
    if which == "ours":
        loaded = handler(folder)
        import pandas as pd

        loaded.predict(pd.DataFrame(row))
    else:
        import lightgbm
        import pandas as pd

        lightgbm.Booster(model_file=f"{folder}/model.txt").predict(pd.DataFrame(row))
    return {"seconds": perf_counter() - STARTED}


def batch(folder: str, rows: str) -> dict[str, object]:
    """Let the three take turns on the same rows."""
    import lightgbm
    import numpy as np
    import pandas as pd

    loaded = handler(folder)
    booster = lightgbm.Booster(model_file=f"{folder}/model.txt")
    matrix = np.load(f"{folder}/rows.npy")[: int(rows)]
    frame = pd.DataFrame(matrix)
    runs = {
        "ours": lambda: loaded.predict(frame).to_numpy(),
        "frame": lambda: booster.predict(frame, num_threads=1),
        "array": lambda: booster.predict(matrix, num_threads=1),
    }
    answers = {name: run() for name, run in runs.items()}
    times = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = perf_counter()
            run()
            times[name].append(perf_counter() - began)
    return {
        "seconds": {name: statistics.median(each) for name, each in times.items()},
        "max_diff": float(np.abs(answers["ours"] - answers["frame"]).max()),
    }


print(json.dumps({"start": start, "batch": batch}[sys.argv[1]](*sys.argv[2:])))
