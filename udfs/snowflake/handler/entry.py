"""The functions that Snowflake calls with a batch; columns are numbered, in the declared order.

Source: https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-batch
"""

from __future__ import annotations

import importlib

import pandas as pd  # only Snowflake, or a test of this file, imports it

from .served import SERVED


def predict(batch: pd.DataFrame) -> pd.Series:
    """Give what the library's ``predict`` gives."""
    return SERVED.get().predict(batch)


def predict_proba(batch: pd.DataFrame) -> pd.Series:
    """Give the second class's probability, or an OBJECT from class to probability."""
    return SERVED.get().predict_proba(batch)


def explain(batch: pd.DataFrame) -> pd.Series:
    """Give what each column adds to the raw score."""
    return SERVED.get().explain(batch)


def interval(batch: pd.DataFrame) -> pd.Series:
    """Give the bounds of the prediction at a confidence level."""
    return SERVED.get().interval(batch)


for _function in (predict, predict_proba, explain, interval):
    # The batch size is left to Snowflake, which knows the warehouse.
    vars(_function)["_sf_vectorized_input"] = pd.DataFrame


def load() -> None:
    """Make the model ready."""
    SERVED.get()


def _load_before_workers_fork() -> None:
    """Register the load where this Snowflake has a hook for it."""
    try:
        runtime = importlib.import_module("_snowflake")
    except ImportError:
        return
    hook = getattr(runtime, "udf_init_once", None)
    if hook is not None:
        hook(load)


_load_before_workers_fork()
