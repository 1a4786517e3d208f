"""Ask a scikit-learn estimator that is kept as skops wrote it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError, ScoringError
from .whole import read_cells, write_answers

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from ..ir.steps import Skops
    from .columns import Values

BLOCK_ROWS = 256


class SkopsKernel:
    """Runs a skops step."""

    def __init__(self, step: Skops) -> None:
        """Load the estimator, which builds only types that skops or the step's list trusts.

        Raises
        ------
        ScoringError
            If scikit-learn, skops or pandas is not installed.
        BundleError
            If scikit-learn has another version, or the file holds what is not trusted.
        """
        self._step = step
        try:
            import skops.io
            from sklearn import __version__ as release

            self._pandas = import_module("pandas") if step.named else None
        except ImportError as error:
            message = f"This model needs {error.name}: pip install 'foresql[skops]'"
            raise ScoringError(message) from error
        if release != step.release:
            message = (
                f"This model is kept whole, as scikit-learn {step.release} made it, and here is "
                f"scikit-learn {release}. Install {step.release}, or publish the model again."
            )
            raise BundleError(message)
        try:
            self._estimator = skops.io.loads(step.file.tobytes(), trusted=list(step.types))
            self._methods = [getattr(self._estimator, name) for name in step.methods]
        except Exception as error:
            message = f"The estimator cannot be loaded: {error}"
            raise BundleError(message) from error

    def run(self, values: Values) -> None:
        """Write the answers of the estimator."""
        frame = self._frame(read_cells(self._step, values))
        with _one_job():
            write_answers(self._step, values, BLOCK_ROWS, lambda rows: self._ask(frame, rows))

    def _ask(self, frame: Any, rows: NDArray[np.intp]) -> list[Any]:
        # Rows that are repeated keep no index: a transformer may join columns by it.
        block = frame.iloc[rows].reset_index(drop=True) if self._step.named else frame[rows]
        try:
            return [method(block) for method in self._methods]
        except Exception as error:
            message = f"scikit-learn refuses rows: {error}"
            raise ScoringError(message) from error

    def _frame(self, cells: list[NDArray[Any]]) -> Any:
        """Give the rows as the estimator was fitted: with names for columns, or as a matrix."""
        pd = self._pandas
        if pd is None:
            return np.stack(cells, axis=1)
        pairs = zip(self._step.inputs, cells, strict=True)
        return pd.DataFrame({name: pd.Series(cell, dtype=cell.dtype) for name, cell in pairs})


def _one_job() -> AbstractContextManager[object]:
    """Start no threads or processes, whatever number of jobs a file asks for."""
    joblib = sys.modules.get("joblib")
    return nullcontext() if joblib is None else joblib.parallel_config("sequential")
