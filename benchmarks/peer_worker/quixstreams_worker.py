"""Runs in quixstreams' own environment: scores events of Kafka by LightGBM, into a DuckDB file.

It prints how many events are committed, and writes when each was published and committed.
quixstreams commits its offsets behind the sink's rows, not with them: at least once.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import lightgbm as lgb
import numpy as np
import pyarrow as pa
from quixstreams import Application
from quixstreams.models.topics import TopicAdmin, TopicConfig, TopicManager
from quixstreams.sinks import BatchingSink

if TYPE_CHECKING:
    from quixstreams.sinks import SinkBatch

MOST = 4096  # events of a batch, as ours takes them
PAUSE = 0.05  # seconds until a smaller batch is written


class Admin(TopicAdmin):
    """Reads topics' settings from the metadata: the cluster here answers no question for them."""

    def inspect_topics(
        self, topic_names: list[str], timeout: float = 30
    ) -> dict[str, TopicConfig | None]:
        """Give the number of partitions."""
        found = self.list_topics(timeout)
        return {name: TopicConfig(len(found[name].partitions), 1, {}) for name in topic_names}


class Scores(BatchingSink):
    """Scores a batch, and inserts it in one transaction."""

    def __init__(self, model: str, database: str) -> None:
        super().__init__()
        self._booster = lgb.Booster(model_file=model)
        self._names = self._booster.feature_name()
        self._con = duckdb.connect(database)
        self._con.execute("CREATE TABLE predictions (id BIGINT, p DOUBLE)")
        self.count, self.times = 0, []

    def write(self, batch: SinkBatch) -> None:
        """Write a batch of a partition."""
        items = list(batch)
        matrix = np.array([[item.value[name] for name in self._names] for item in items])
        scores = self._booster.predict(matrix, num_threads=1)
        table = pa.table({"id": [item.value["id"] for item in items], "p": scores})
        self._con.from_arrow(table).insert_into("predictions")
        self.count += len(items)
        self.times.append(([item.timestamp / 1e3 for item in items], time.time()))
        print(self.count, flush=True)

    def save(self, path: str) -> None:
        """Write both times of each event."""
        self._con.close()
        published = np.concatenate([times for times, _ in self.times])
        committed = np.repeat([at for _, at in self.times], [len(times) for times, _ in self.times])
        np.save(path, np.stack([published, committed]))


def main() -> None:
    """Work until SIGTERM."""
    address, topic, group, model, database, log = sys.argv[1:]
    application = Application(
        broker_address=address,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_every=MOST,
        commit_interval=PAUSE,
        topic_manager=TopicManager(Admin(address), group, auto_create_topics=False),
        state_dir=Path(log).with_suffix(".state"),  # else it is written where the process runs
        loglevel=None,
    )
    sink = Scores(model, database)
    events = application.topic(topic, value_deserializer="json")
    application.dataframe(events).sink(sink)
    signal.signal(signal.SIGTERM, lambda *_: application.stop())
    application.run()
    sink.save(log)


if __name__ == "__main__":
    main()
