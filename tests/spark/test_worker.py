"""Rows of a key stay together, however they come in batches."""

import pyarrow as pa
import pytest

from foresql.spark import worker


def batches_of(keys, size):
    table = pa.table({"key": keys, "other": ["x"] * len(keys)})
    return table.to_batches(max_chunksize=size)


@pytest.mark.parametrize("least", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize(
    "keys", [[None, None, 1, 1, 1, 2, 3, 3, 4], [1] * 6, [1, 2, 3, 4], [], [None, 0]]
)
def test_each_key_is_in_one_part(monkeypatch, keys, size, least):
    monkeypatch.setattr(worker, "LEAST_ROWS", least)
    parts = list(worker.by_key(batches_of(keys, size), ["key", "other"]))
    assert [key for part in parts for key in part["key"].to_pylist()] == keys
    seen = [set(part["key"].to_pylist()) for part in parts]
    assert sum(map(len, seen)) == len(set(keys))
    if least == 1 and size == 1:
        assert len(parts) == len(set(keys))
