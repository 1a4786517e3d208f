"""What ``publish`` and ``certify`` take: a Python object by its address, or a model file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from pyarrow import feather, parquet

from ..errors import ForesqlError
from ..frontends import read_model_file
from ..udfs.duckdb import interruptible

if TYPE_CHECKING:
    import pyarrow as pa

_FRAMES = {".parquet", ".pq", ".csv", ".arrow", ".feather", ".ipc"}


def load_estimator(source: str) -> Any:
    """Load ``module:attribute``, ``file.py:attribute``, or a LightGBM ``.txt`` model.

    A function is called without arguments, and must return the estimator. Pickles are refused:
    reading one runs whatever code it holds.

    Raises
    ------
    ForesqlError
        If there is no such thing.
    """
    if Path(source).suffix.lower() in {".pkl", ".pickle", ".joblib"}:
        message = (
            f"{source} is a pickle, and reading a pickle runs the code in it. Give the Python file "
            "that makes the model instead: train.py:model"
        )
        raise ForesqlError(message)
    if source.endswith(".txt"):
        return _booster(Path(source))
    found = _attribute(source)
    return found() if callable(found) and not hasattr(found, "predict") else found


def load_frame(source: str) -> Any:
    """Load a training frame: Parquet, CSV or Arrow as pandas, or ``train.py:frame``.

    Raises
    ------
    ForesqlError
        If there is no such thing.
    """
    path = Path(source)
    if path.suffix.lower() not in _FRAMES:
        found = _attribute(source)
        return found() if callable(found) else found
    if not path.exists():
        message = f"There is no file {source}."
        raise ForesqlError(message)
    import pandas as pd

    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pd.read_parquet(path)
        return pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_feather(path)
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors too
        message = f"{path} cannot be read: {error}"
        raise ForesqlError(message) from error


def load_calibration(source: str | None, target: str | None) -> tuple[Any, Any] | None:
    """Load the rows that intervals are measured on, and their truth, a column of theirs.

    Raises
    ------
    ForesqlError
        If they are not there, or the column is not.
    """
    if source is None and target is None:
        return None
    if source is None or target is None:
        message = (
            "--calibration and --target go together: rows that training did not see, and the "
            "column of them that holds the truth."
        )
        raise ForesqlError(message)
    frame = load_frame(source)
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        message = (
            f"--calibration {source} is a {type(frame).__name__}, and no pandas frame or file."
        )
        raise ForesqlError(message)
    if target not in frame.columns:
        there = ", ".join(map(str, frame.columns[:20]))
        message = f"--calibration {source} has no column {target!r}. There are: {there}."
        raise ForesqlError(message)
    return frame.drop(columns=[target]), frame[target]


def load_rows(source: str) -> pa.Table:
    """Load rows of Parquet, Arrow or CSV as Arrow, without pandas, which may not be there.

    Raises
    ------
    ForesqlError
        If there is no such file, or it cannot be read.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix not in _FRAMES:
        message = (
            f"{source!r} names no rows. Give a file that ends in {', '.join(sorted(_FRAMES))}."
        )
        raise ForesqlError(message)
    if not path.is_file():
        message = f"There is no file {source}."
        raise ForesqlError(message)
    try:
        if suffix in {".parquet", ".pq"}:
            return parquet.read_table(path)  # DuckDB would drop the categories
        if suffix == ".csv":
            with interruptible(duckdb.connect()) as connection:
                return connection.read_csv(str(path)).to_arrow_table()
        return feather.read_table(path)
    except (OSError, ValueError, duckdb.Error) as error:  # Arrow's own errors are ValueErrors too
        message = f"{path} cannot be read: {error}"
        raise ForesqlError(message) from error


def _booster(path: Path) -> Any:
    if not path.is_file() or not path.read_bytes().startswith(b"tree\n"):
        message = f"{path} cannot be read as a LightGBM model: there is none."
        raise ForesqlError(message)
    return read_model_file(path.read_bytes(), path.name).load(())


def _attribute(source: str) -> Any:
    module, colon, name = source.rpartition(":")
    if not colon or not name.isidentifier():
        message = (
            f"{source!r} names no model. Give a Python object (train.py:model or "
            "package.module:model), or a LightGBM text file (model.txt)."
        )
        raise ForesqlError(message)
    try:
        return getattr(_module(module), name)
    except (ImportError, AttributeError) as error:
        message = f"{source!r} cannot be loaded: {error}"
        raise ForesqlError(message) from error


def _module(name: str) -> Any:
    """Import a module from the working folder or the environment, or run a Python file."""
    if not name.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    path = Path(name).absolute()
    if str(path) in sys.modules:
        return sys.modules[str(path)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        message = f"there is no file {name}"
        raise ImportError(message)
    module = importlib.util.module_from_spec(spec)
    # Kept, so that a model and a frame of one file are made by one run of it.
    sys.modules[str(path)] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module
