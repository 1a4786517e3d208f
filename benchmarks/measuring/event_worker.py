"""A worker as a process: ours, or the same loop around ``Booster.predict``.

It prints how many events are committed, and in the end writes when each was.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from foresql.streams.bookkeeping import moment
from foresql.streams.events import assembling
from foresql.streams.events.definition import read_definition
from foresql.streams.events.scoring import Scored, Scoring
from foresql.streams.events.totals import Totals
from foresql.streams.events.worker import Worker

if TYPE_CHECKING:
    from foresql.streams.events.batches import Batch

LIBRARY = "library"


class Log(Totals):
    """Totals that keep when each event was published and committed."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[np.ndarray] = []
        self.committed: list[float] = []

    def add(self, batch: Batch, repeated: int, committed: float) -> None:
        """Keep a batch, and say how many events there are."""
        super().add(batch, repeated, committed)
        self.published.append(batch.published)
        self.committed.append(committed)
        print(self.events.total(), flush=True)

    def write(self, path: str) -> None:
        """Write both times of each event."""
        counts = [len(each) for each in self.published]
        committed = np.repeat(self.committed, counts)
        np.save(path, np.stack([np.concatenate([*self.published, []]), committed]))


def scoring_by_library(model: str) -> type[Scoring]:
    """Make the scoring that calls the library, and is ours in all else."""
    booster = lgb.Booster(model_file=model)

    class ByLibrary(Scoring):
        def score(self, rows: pa.Table) -> Scored:
            self._follow()
            columns = [rows.column(name).to_numpy() for name in booster.feature_name()]
            answers = booster.predict(np.stack(columns, axis=1), num_threads=1)
            given: dict[str, Any] = {name: rows.column(name) for name in rows.column_names}
            fields = [given.get(name, answers) for name in self._outputs.names]
            table = pa.table(fields, names=self._outputs.names).cast(self._outputs)
            return Scored(self._stamp(moment())(table), [])

    return ByLibrary


def main() -> None:
    """Work until SIGTERM."""
    route, definition, registry, model, log = sys.argv[1:]
    if route == LIBRARY:
        assembling.Scoring = scoring_by_library(model)
    stop = threading.Event()
    # Not in the handler: what it interrupts may hold the lock that set() takes.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop.set).start())
    worker = Worker(read_definition(Path(definition)), registry, stop=stop)
    worker.totals = totals = Log()
    worker.run()
    totals.write(log)


if __name__ == "__main__":
    main()
