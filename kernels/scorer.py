"""A model made ready to score: natively where that is possible, else in numpy, to the same bits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .columns import Values
from .frame import Decoder
from .native.program import NativeProgram
from .scores import Scores
from .steps import prepare_step
from .threads import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..ir import Model
    from .frame import Frame


class Scorer:
    """Scores batches with one model. Threads may share it."""

    def __init__(
        self, model: Model, program: bytes | None = b"", *, threads: int | None = None
    ) -> None:
        """Open the model's native program, or build it.

        Parameters
        ----------
        model
            What to score with.
        program
            What the model's bundle holds; one of another format is not used. With None the steps
            run in Python, as they do where intermediate columns are asked for.
        threads
            How many threads score a large batch, where it is native code that takes the time; the
            environment's ``FORESQL_THREADS`` by default, or 1.

        Raises
        ------
        BundleError
            If the program is damaged, or another model's.
        """
        self.model = model
        self.decoder = Decoder.of(model)
        self._threads = thread_count(threads)
        self.program = None if program is None else NativeProgram.of(model, self.decoder, program)
        if self.program is None and program is not None:
            _ = self._runners

    @cached_property
    def _runners(self) -> list[Callable[[Values], None]]:
        """Every step, prepared: where there is no program, or intermediate columns are asked."""
        return [prepare_step(step, self._threads) for step in self.model.steps]

    def score(self, batch: pa.RecordBatch | pa.Table | pa.StructArray) -> Scores:
        """Decode and score Arrow rows.

        Raises
        ------
        SignatureError
            If a column is missing or of the wrong type.
        ScoringError
            If the library would refuse a row.
        """
        scores = self.program.score(batch, self._threads) if self.program else None
        # What the program refuses, the steps refuse in all words.
        return scores or self._by_steps(self.decoder.decode(batch))

    def score_frame(self, frame: Frame) -> Scores:
        """Score decoded rows."""
        scores = self.program.score_frame(frame, self._threads) if self.program else None
        return scores or self._by_steps(frame)

    def run(self, frame: Frame) -> Values:
        """Run every step in numpy and give all columns, the intermediate ones too."""
        values = Values(frame)
        # The library divides by zero and overflows in silence; so do we, and to the same values.
        with np.errstate(all="ignore"):
            for run in self._runners:
                run(values)
        return values

    def _by_steps(self, frame: Frame) -> Scores:
        values = self.run(frame)
        outputs = self.model.outputs
        return Scores(
            _matrix(values, outputs.prediction),
            _matrix(values, outputs.probabilities),
            _matrix(values, outputs.margins),
        )


def _matrix(values: Values, names: tuple[str, ...]) -> NDArray[np.float64]:
    if not names:
        return np.empty((values.rows, 0))
    return np.stack([values.numbers(name) for name in names], axis=1)
