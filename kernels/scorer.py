"""A model made ready to score: natively where that is possible, else in numpy, to the same bits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .arrow import Decoder
from .native.plans import NativePlans
from .native.program import NativeProgram
from .runner import StepRunner
from .threads import thread_count

if TYPE_CHECKING:
    import pyarrow as pa

    from ..ir import Model
    from .columns import Values
    from .frame import Frame
    from .scores import Scores


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
            _ = self._steps

    @cached_property
    def _steps(self) -> StepRunner:
        """Every step, prepared: where there is no program, or intermediate columns are asked."""
        return StepRunner(self.model, NativePlans(self._threads))

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
        return scores or self._steps.score(self.decoder.decode(batch))

    def score_frame(self, frame: Frame) -> Scores:
        """Score decoded rows."""
        scores = self.program.score_frame(frame, self._threads) if self.program else None
        return scores or self._steps.score(frame)

    def run(self, frame: Frame) -> Values:
        """Run every step in numpy and give all columns, the intermediate ones too."""
        return self._steps.run(frame)
