"""Runs in the peer's own environment: a LightGBM model in FastAPI, as one would write it.

``FORESQL_PEER_MODEL`` names the model's file. The rows have a type of their own, so pydantic checks
them in Rust, and the model is called on the event loop, which is quicker than a thread a request.
"""

from __future__ import annotations

import os
from typing import Any

import lightgbm
import numpy as np
from fastapi import FastAPI
from pydantic import create_model

booster = lightgbm.Booster(model_file=os.environ["FORESQL_PEER_MODEL"])
NAMES = booster.feature_name()
Row: Any = create_model("Row", **dict.fromkeys(NAMES, (float | None, ...)))
Body: Any = create_model("Body", rows=(list[Row], ...))
app = FastAPI()


async def predict(body: Any) -> dict[str, Any]:
    """Answer rows by name."""
    cells = [[getattr(row, name) for name in NAMES] for row in body.rows]
    values = booster.predict(np.array(cells, np.float64), num_threads=1)
    return {"model": "small", "version": 1, "answers": [{"value": float(v)} for v in values]}


predict.__annotations__["body"] = Body
app.post("/predict/small")(predict)
