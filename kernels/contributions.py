"""Split a prediction's raw score into what each source column adds to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import UnsupportedModelError
from ..ir import steps as s
from .attribution import attribute_inputs, trace_margins
from .linear import Float32LinearKernel, LinearKernel
from .runner import StepRunner
from .tree_shap import TreeShap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..ir import Model
    from .attribution import Sum
    from .columns import Values
    from .frame import Frame
    from .scorer import Scorer


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Raw scores by source column; of a row, ``base`` and all contributions sum to its margin.

    Attributes
    ----------
    base : float64[margins]
        The score of no row in particular: the trees' training mean, or the linear model's score
        of the background.
    contributions : float64[margins, columns, rows]
        What each column of the signature adds to it.
    """

    base: NDArray[np.float64]
    contributions: NDArray[np.float64]


def explain(scorer: Scorer, frame: Frame) -> Explanation:
    """Explain decoded rows once; keep an :class:`Explainer` to explain many batches.

    Raises
    ------
    UnsupportedModelError
        If the model has no contributions; :func:`explanation_problem` says so in advance.
    ScoringError
        If the library would refuse a row.
    """
    return Explainer(scorer.model).explain(scorer.run(frame))


def explanation_problem(model: Model) -> str | None:
    """Say why a model has no contributions by column, or None if it has them."""
    try:
        for margin in trace_margins(model):
            attribute_inputs(model, margin.step)
    except UnsupportedModelError as error:
        return str(error)
    return None


def with_background(model: Model, frame: Frame) -> Model:
    """Note the means of what enters a linear model, from which its contributions are measured.

    The mean is over the frame's finite values, and 0 where there are none. A model without
    linear margins, or without contributions, comes back as it is.
    """
    if explanation_problem(model) is not None:
        return model
    steps = [margin.step for margin in trace_margins(model)]
    names = {name for step in steps if not isinstance(step, s.Forest) for name in step.inputs}
    if not names:
        return model
    values = StepRunner(model).run(frame)
    means = {name: _finite_mean(values.numbers(name)) for name in sorted(names)}
    return replace(model, background=MappingProxyType(means))


def _finite_mean(column: NDArray[np.float64]) -> float:
    finite = column[np.isfinite(column)]
    return float(finite.mean()) if len(finite) else 0.0


class Explainer:
    """Explains batches with one model. Immutable once built: threads may share it."""

    def __init__(self, model: Model) -> None:
        """Prepare the sums behind the margins.

        Raises
        ------
        UnsupportedModelError
            If the model has no contributions.
        """
        self._margins = trace_margins(model)
        self._columns = len(model.signature.names)
        self._splitters = {step: _splitter(model, step) for step, *_ in self._margins}
        self._base = np.array(
            [self._splitters[m.step].base[m.output] * m.scale + m.shift for m in self._margins]
        )

    def explain(self, values: Values) -> Explanation:
        """Explain rows that the scorer ran: :meth:`Scorer.run` gives their columns."""
        result = np.empty((len(self._margins), self._columns, values.rows))
        # As in scoring, infinite terms cancel to NaN in silence.
        with np.errstate(all="ignore"):
            parts = {step: part.contributions(values) for step, part in self._splitters.items()}
            for row, margin in zip(result, self._margins, strict=True):
                np.multiply(parts[margin.step][margin.output], margin.scale, out=row)
        return Explanation(self._base, result)


class _Splitter(Protocol):
    """One step's sums: ``base`` is float64[outputs]."""

    @property
    def base(self) -> NDArray[np.float64]: ...

    def contributions(self, values: Values) -> NDArray[np.float64]:
        """Give float64[outputs, columns, rows]."""
        ...


def _splitter(model: Model, step: Sum) -> _Splitter:
    columns = attribute_inputs(model, step)
    shape = len(step.outputs), len(model.signature.names)
    if isinstance(step, s.Forest):
        return _Forest(step, shape, columns)
    return _Linear(step, shape, columns, model.background)


class _Forest:
    def __init__(self, step: s.Forest, shape: tuple[int, int], columns: NDArray[np.intp]) -> None:
        self._shap = TreeShap(step.trees, shape, columns)
        self._inputs = {index: step.inputs[index] for index in self._shap.inputs}
        self.base = self._shap.base + step.start

    def contributions(self, values: Values) -> NDArray[np.float64]:
        inputs = {index: values.numbers(name) for index, name in self._inputs.items()}
        return self._shap.contributions(inputs, values.rows)


class _Linear:
    """Terms measured from the background: an input adds its weight times its distance from it."""

    def __init__(
        self,
        step: s.Dot | s.Float32Dot,
        shape: tuple[int, int],
        columns: NDArray[np.intp],
        background: Mapping[str, float],
    ) -> None:
        self._shape = shape
        center = np.array([background.get(name, 0.0) for name in step.inputs])
        terms = center[:, None] * step.weights
        self.base = step.intercepts + terms.sum(axis=0)
        self._kernels: dict[int, LinearKernel | Float32LinearKernel] = {}
        for column in np.unique(columns).tolist():
            members = np.flatnonzero(columns == column)
            part = replace(
                step,
                inputs=tuple(step.inputs[index] for index in members),
                weights=step.weights[members],
                intercepts=-terms[members].sum(axis=0),
            )
            self._kernels[column] = (
                LinearKernel(part) if isinstance(part, s.Dot) else Float32LinearKernel(part)
            )

    def contributions(self, values: Values) -> NDArray[np.float64]:
        result = np.zeros((*self._shape, values.rows))
        for column, kernel in self._kernels.items():
            result[:, column] = kernel.sums(values)
        return result
