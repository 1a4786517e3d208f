"""Claims of keys: what a worker keeps of them in memory, and what it reads again."""

import pyarrow as pa
import pytest

from foresql.streams.events import claims as claiming
from foresql.streams.events.claims import CLAIMS, Claims


class Table:
    """The table of claims, which has what was committed."""

    def __init__(self):
        self.rows, self.asked = CLAIMS.empty_table(), []

    def read(self, _table, values, _column):
        self.asked.append(len(values))
        return self.rows.filter(pa.compute.is_in(self.rows["key"], pa.array(values, pa.string())))

    def commit(self, rows):
        self.rows = pa.concat_tables([self.rows, rows])


@pytest.mark.parametrize("most", [0, 15, 1000])
def test_each_key_is_claimed_once_however_few_are_kept(monkeypatch, most):
    monkeypatch.setattr(claiming, "_MOST", most)
    table, claims = Table(), Claims("claims", ["sensor"])
    claims.open(table.read)
    under_way = None
    for batch in range(12):
        for partition in ("one", "two"):
            # Of the batch that is under way, of earlier ones, and of the other partition.
            keys = [(f"{partition}-{n}",) for n in range(max(batch * 5 - 12, 0), batch * 5 + 5)]
            assert claims.claim(partition, [*keys, ("shared",)]) == (
                {} if partition == "one" else {("shared",): "one"}
            )
        if under_way is not None:
            table.commit(under_way)
        under_way = claims.rows()["claims"]
        assert len(claims._owners) <= max(most, 2 * 11)
    table.commit(under_way)
    found = table.rows.to_pylist()
    assert len({row["key"] for row in found}) == len(found) == 2 * 60 + 1
    assert all(row["event_partition"] == "one" for row in found if "two" not in row["key"])
    assert (sum(table.asked) > len(found) + 1) == (most < 1000)
