"""An endpoint over stored features that are replaced again and again, and its batch for each."""

from datetime import datetime

import duckdb
from endpoint_shop import JOINED

import foresql
from foresql.online import Wanted, materialize

ROWS = [
    {"origin": "JFK", "distance": 700.0},
    {"origin": "EWR", "distance": 5.0},
    {"origin": "none", "distance": 9.0},
    {"origin": "JFK", "distance": None},
]
QUERY = JOINED.format(join="LEFT JOIN")


class SoakedViews:
    """The endpoint `late_flight`, and the feature view that it joins."""

    def __init__(self, folder, registry) -> None:
        self.online, self.serving = folder / "online", folder / "serving"
        self.serving.mkdir(parents=True)
        (self.serving / "late_flight.sql").write_text(QUERY)
        columns = "[request]\ncolumns = { origin = 'VARCHAR', distance = 'DOUBLE' }\n"
        (self.serving / "late_flight.toml").write_text(columns)
        self._batch = duckdb.connect()
        self._batch.execute("CREATE TABLE trips (origin VARCHAR, distance DOUBLE)")
        rows = [[*row.values()] for row in ROWS]
        self._batch.executemany("INSERT INTO trips VALUES (?, ?)", rows)
        for version in (1, 2):
            name = f"predict_{version}"
            foresql.register(self._batch, f"delay:{version}", registry=registry, name=name)
        self._expected: dict[tuple[datetime, int], str] = {}
        self.replace(0)

    @property
    def options(self) -> tuple[object, ...]:
        return "--endpoints", self.serving, "--online", self.online

    def replace(self, turn: int) -> None:
        """Put another snapshot in place, and note what each version makes of it as a batch."""
        values = f"('JFK', {turn}.5::DOUBLE), ('EWR', NULL)"
        query = f"SELECT * FROM (VALUES {values}) AS v(origin, delay)"
        wanted = Wanted(name="weather", keys=("origin",), query=query, missing="null")
        [done] = materialize([wanted], str(self.online))
        assert done.problem is None
        self._batch.execute(f"CREATE OR REPLACE TABLE weather AS {query}")
        for version in (1, 2):
            sql = QUERY.replace("predict_delay", f"predict_{version}") + "ORDER BY t.rowid"
            found = self._batch.sql(sql).to_arrow_table().to_pylist()
            self._expected[done.manifest.view.as_of, version] = repr(found)

    def check(self, seen: set[tuple[str, int, str]]) -> None:
        """Hold all different answers against the batch of the snapshot that they name."""
        for as_of, version, answers in seen:
            assert answers == self._expected[datetime.fromisoformat(as_of), version]
        assert len({as_of for as_of, _, _ in seen}) > 1, "no other snapshot was followed"
