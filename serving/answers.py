"""What a model answers, in plain Python values: the same as its functions in DuckDB."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from ..udfs.functions import probability_problem
from .http import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir import Model, Scalar
    from ..kernels import Scores

_BINARY = 2


class Answers(NamedTuple):
    """For each row the columns of the prediction, and those of the probabilities."""

    prediction: Sequence[Sequence[float]]
    probabilities: Sequence[Sequence[float]]


class Answering:
    """How a model's raw answers are read."""

    def __init__(self, model: Model) -> None:
        """Note what the model gives."""
        outputs = model.outputs
        self.classes = outputs.classes
        self.width = len(outputs.prediction)
        self.shares = len(outputs.probabilities)
        self.no_probability = probability_problem(model)
        self.label_type = outputs.label_type
        self._labels = [str(label) for label in outputs.classes or ()]

    def of_row(self, answers: Sequence[float]) -> Answers:
        """Read what the row program gives: predictions, then probabilities, then margins."""
        end = self.width + self.shares
        numbers = list(answers[:end])
        return Answers([numbers[: self.width]], [numbers[self.width :]])

    def of_scores(self, scores: Scores) -> Answers:
        """Read what a batch gives."""
        return Answers(scores.prediction.tolist(), scores.probabilities.tolist())

    def value(self, prediction: Sequence[float]) -> Scalar | float | list[float | None] | None:
        """Give what ``predict`` gives for a row: a number, a label, or a list of numbers."""
        if self.classes is not None:
            return self.classes[int(prediction[0])]
        if self.width == 1:
            return in_json(prediction[0])
        return [in_json(number) for number in prediction]

    def probability(self, shares: Sequence[float]) -> float | dict[str, float | None] | None:
        """Give the positive class's probability, or one for each class."""
        if self.shares == _BINARY:
            return in_json(shares[1])
        return {label: in_json(share) for label, share in zip(self._labels, shares, strict=True)}


def in_json(number: float) -> float | None:
    """Give a number as JSON has it: NaN is null.

    Raises
    ------
    Refusal
        If it is infinite: null would be another answer.
    """
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return None
    raise Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"An answer is {number:+}, which JSON cannot say. Ask the Open Inference Protocol for "
        "binary output, or clip the prediction when you publish.",
    )


def explanation_in_json(value: Any) -> Any:
    """Give contributions, by column and perhaps by class, as JSON has them."""
    if isinstance(value, dict):
        return {name: explanation_in_json(each) for name, each in value.items()}
    return in_json(value)


def joined(parts: Sequence[Answers]) -> Answers:
    """Put the answers to rows one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Answers(
        [row for part in parts for row in part.prediction],
        [row for part in parts for row in part.probabilities],
    )
