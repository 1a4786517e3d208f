"""One row at a time, in the process of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernels import RowScorer, Scorer
from .models import open_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..ir import Scalar


class OnlineModel:
    """A model in memory that answers for single rows. Threads may share it.

    A row is a mapping from column name to value, of which further names are ignored, or a sequence
    of values in the order of :attr:`columns`. A missing value is None; among numbers also NaN.
    """

    def __init__(self, scorer: Scorer, name: str, version: int | None) -> None:
        """Prepare a scorer for rows; :func:`load` does it for a reference."""
        self.name = name
        self.version = version
        outputs = scorer.model.outputs
        self.classes = outputs.classes
        self._rows = RowScorer(scorer)
        self._answer = self._rows.answers
        self._predictions = len(outputs.prediction)
        labels = outputs.classes or () if outputs.probabilities else ()
        self._shares = [(label, self._predictions + i) for i, label in enumerate(labels)]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the model reads, in training order."""
        return self._rows.names

    def predict(self, row: Mapping[str, object] | Sequence[object]) -> float | list[float] | Scalar:
        """Give the library's prediction: a number, a list of them, or a label.

        Raises
        ------
        SignatureError
            If a column is missing or a value is of the wrong type.
        ScoringError
            If the library would refuse the row.
        """
        answers = self._answer(row)
        if self.classes is not None:
            return self.classes[int(answers[0])]
        return answers[0] if self._predictions == 1 else list(answers[: self._predictions])

    def predict_proba(self, row: Mapping[str, object] | Sequence[object]) -> dict[Scalar, float]:
        """Give the probability of each label, as :meth:`predict` does; empty without any."""
        answers = self._answer(row)
        return {label: answers[place] for label, place in self._shares}


def load(reference: str | Path, registry: str | Path | None = None) -> OnlineModel:
    """Load a model for single rows: ``delay@champion``, ``delay:3``, or a ``.foresql`` file.

    Raises
    ------
    RegistryError, BundleError
        If there is no such model, or its bundle is not whole.

    Examples
    --------
    >>> delay = foresql.load("delay@champion")  # doctest: +SKIP
    >>> delay.predict({"carrier": "AA", "distance": 733})  # doctest: +SKIP
    """
    opened = open_model(reference, registry)
    scorer = Scorer(opened.bundle.model, opened.bundle.program)
    return OnlineModel(scorer, opened.name, opened.version)
