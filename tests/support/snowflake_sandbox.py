"""Runs in the clean environment: imports what was shipped, forks, calls, and writes the answers.

It imports nothing of foresql but the archive.
"""

import importlib
import json
import os
import sys
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

FOLDER = Path(sys.argv[1])
SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def load(module, form):
    """Import a handler as Snowflake does; a body is a module of its own."""
    if form == "inline":
        return importlib.import_module(f"body_{module}")
    if form == "unpacked":
        files = FOLDER / "unpacked"
        with zipfile.ZipFile(FOLDER / f"{module}.zip") as archive:
            archive.extractall(files, [n for n in archive.namelist() if n.endswith(".py")])
        sys.path.insert(0, str(files))
    else:
        sys.path.insert(0, str(FOLDER / f"{module}.zip"))
    return importlib.import_module(module)


def series(column):
    import numpy as np
    import pandas as pd

    dtype, values = column["dtype"], column["values"]
    if dtype.startswith("datetime64"):
        micros = [np.iinfo(np.int64).min if v is None else v for v in values]
        return pd.Series(np.array(micros, np.int64).view("datetime64[us]").astype(dtype))
    if dtype == "decimal":
        return pd.Series([None if v is None else Decimal(v) for v in values], dtype=object)
    if dtype.startswith("object"):
        null = {"object": None, "object nan": float("nan"), "object NA": pd.NA}[dtype]
        cells = np.empty(len(values), object)
        for row, value in enumerate(values):
            cells[row] = null if value is None else value
        return pd.Series(cells)
    if dtype.startswith(("float", "int", "bool")) and dtype != "boolean":
        return pd.Series(np.array([np.nan if v is None else v for v in values], dtype))
    return pd.Series(pd.array(values, dtype=dtype))


def frames(call):
    """Cut the batch; its columns are numbered, and its index goes on or is something else."""
    import pandas as pd

    whole = pd.concat([series(column) for column in call["columns"]], axis=1)
    whole.columns = range(len(call["columns"]))
    if call["index"] == "texts":
        whole.index = [f"row {number % 3}" for number in range(len(whole))]
    start = 0
    for size in call["parts"] or [len(whole)]:
        yield whole.iloc[start : start + size]
        start += size


def answer(call, modules):
    function = getattr(modules[call["module"]], call["entry"])
    try:
        values = []
        for frame in frames(call):
            given = function(frame)
            if len(given) != len(frame) or list(given.index) != list(frame.index):
                return {"error": "the answer is not in the rows' order"}
            values += given.tolist()
    except Exception as error:  # noqa: BLE001 - the test judges it
        return {"error": f"{type(error).__name__}: {error}"}
    return {"values": values, "dtype": str(given.dtype)}


def work(calls, modules, threads):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda call: answer(call, modules), calls))


def main():
    job = json.loads((FOLDER / "job.json").read_text())
    hooks = []
    runtime = types.ModuleType("_snowflake")
    if job["hook"]:
        runtime.udf_init_once = lambda function: hooks.append(function) or function
    sys.modules["_snowflake"] = runtime
    if job["form"] == "inline":
        sys.path.insert(0, str(FOLDER))
    names = dict.fromkeys(call["module"] for call in job["calls"])
    modules = {name: load(name, job["form"]) for name in names}
    import pandas as pd

    for call in job["calls"]:
        assert getattr(modules[call["module"]], call["entry"])._sf_vectorized_input is pd.DataFrame
    for hook in hooks:
        hook()
    calls, workers = job["calls"], job["workers"]
    children = []
    for worker in range(workers):
        child = os.fork()
        if not child:
            done = work(calls[worker::workers], modules, job["threads"])
            (FOLDER / f"worker_{worker}.json").write_text(json.dumps(done))
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    answers = [None] * len(calls)
    for worker in range(workers):
        answers[worker::workers] = json.loads((FOLDER / f"worker_{worker}.json").read_text())
    tops = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    facts = {
        "modules": sorted(tops),
        "settings": {name: os.environ.get(name) for name in SETTINGS},
        "hooks": len(hooks),
    }
    (FOLDER / "answers.json").write_text(json.dumps({"answers": answers, "facts": facts}))


main()
