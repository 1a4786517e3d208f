"""The shipped model: loaded once, by whoever comes first, and shared by all threads."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ....errors import ScoringError
from ....ir.bundle import decode_bundle
from ....kernels.runner import StepRunner
from . import MOST_ARGUMENTS, replies
from .archive import read_model
from .columns import read_numbers
from .rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ....ir import Model
    from .explaining import RowExplainer


class Served:
    """A model that answers batches."""

    def __init__(self, model: Model) -> None:
        """Make every step ready."""
        self._model = model
        self._steps = StepRunner(model)
        columns = len(model.signature.names)
        self._rows = RowReader(model, packed=columns > MOST_ARGUMENTS)
        self._rows_and_level = RowReader(model, packed=columns + 1 > MOST_ARGUMENTS)

    def predict(self, batch: pd.DataFrame) -> pd.Series:
        """Give values, vectors or labels."""
        scores = self._steps.score(self._rows.read(batch))
        return replies.predictions(self._model, scores, batch.index)

    def predict_proba(self, batch: pd.DataFrame) -> pd.Series:
        """Give the second class's probability, or all by class."""
        scores = self._steps.score(self._rows.read(batch))
        return replies.probabilities(self._model, scores, batch.index)

    def explain(self, batch: pd.DataFrame) -> pd.Series:
        """Give what each column adds to the raw score."""
        found = self._explainer.explain(self._steps.run(self._rows.read(batch)))
        return replies.objects(found, batch.index)

    def interval(self, batch: pd.DataFrame) -> pd.Series:
        """Give ``low`` and ``high`` at the level, which is the last argument."""
        from ....kernels.intervals import conformal_widths

        levels = read_numbers(batch.iloc[:, -1], "level")
        if not ((levels > 0) & (levels < 1)).all():
            raise ScoringError(
                "The confidence level of an interval lies between 0 and 1, for example 0.9."
            )
        prediction = self._steps.score(self._rows_and_level.read(batch)).prediction[:, 0]
        width = conformal_widths(self._model.residuals, levels)
        bounds = np.stack([prediction - width, prediction + width], axis=1)
        return replies.objects(replies.named(("low", "high"), bounds), batch.index)

    @cached_property
    def _explainer(self) -> RowExplainer:
        from .explaining import RowExplainer

        return RowExplainer(self._model)


class Once:
    """Makes something when it is first asked for, in one thread."""

    def __init__(self, make: Callable[[], Served]) -> None:
        """Note how it is made."""
        self._make = make
        self._lock = threading.Lock()
        self._made: Served | None = None

    def get(self) -> Served:
        """Give it; other threads wait until it is there."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made


SERVED = Once(lambda: Served(decode_bundle(read_model()).model))
