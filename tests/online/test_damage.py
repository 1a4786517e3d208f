"""Snapshots that somebody damaged, or made up: refused by name, and the old one answers."""

import json
import math
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from foresql.errors import FeatureError
from foresql.online import find_view, folder, following, open_online

ONE = "SELECT i AS id, i * 1.5::DOUBLE AS x FROM range(5000) t(i)"
TWO = "SELECT i AS id, i * 2.5::DOUBLE AS x FROM range(5000) t(i)"


@pytest.fixture
def damaged(folder_shop):
    """A store with the first snapshot open, and the second one's files, to be damaged."""
    folder_shop.materialize("v", "id", query=ONE)
    folder = Path(folder_shop.into)
    with folder_shop.open() as store:
        online = store.views["v"]
        folder_shop.materialize("v", "id", query=TWO)

        def check(message):
            """The old snapshot answers; who comes anew is told why there is none."""
            store.refresh()
            assert message in store.problems["v"]
            assert online.get([(4,)]) == [(4, 6.0)]
            with folder_shop.open() as other, pytest.raises(FeatureError) as caught:
                find_view(other, "v")
            assert message in str(caught.value)
            folder_shop.materialize("v", "id", query=TWO)
            store.refresh()
            assert store.problems == {}
            assert online.get([(4,)]) == [(4, 10.0)]

        yield folder, check


def data_of(folder):
    [path] = folder.glob("*.sqlite")
    path.chmod(0o644)
    return path


def manifest_of(folder):
    path = folder / "v.json"
    path.chmod(0o644)
    return path


def edit(folder, **changes):
    path = manifest_of(folder)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def truncate(folder):
    os.truncate(data_of(folder), 5000)


def grow(folder):
    with data_of(folder).open("ab") as file:
        file.write(bytes(10))


def flip(folder):
    path = data_of(folder)
    content = bytearray(path.read_bytes())
    content[40_000] ^= 1
    path.write_bytes(content)


def make_huge(folder):
    os.truncate(data_of(folder), 2**40)


def make_other_format(folder):
    path = data_of(folder)
    size = path.stat().st_size
    path.write_bytes(b"PAR1".ljust(size, b"\0"))


def remove(folder):
    data_of(folder).unlink()


def make_folder(folder):
    path = data_of(folder)
    path.unlink()
    path.mkdir()


def make_pipe(folder):
    path = data_of(folder)
    path.unlink()
    os.mkfifo(path)


DATA = [
    (truncate, "it is not whole"),
    (grow, "it is not whole"),
    (flip, "is not what was written"),
    (make_huge, "it is not whole"),
    (make_other_format, "is not what was written"),
    (remove, "which is not there"),
    (make_pipe, "it is not whole"),
]


@pytest.mark.parametrize(("damage", "message"), DATA, ids=[each.__name__ for each, _ in DATA])
def test_files_of_rows(damaged, damage, message):
    folder, check = damaged
    damage(folder)
    # What the manifest says is read anew, as when the file came so.
    os.utime(manifest_of(folder))
    check(message)


MANIFESTS = [
    (b"", "is no manifest of a snapshot"),
    (b"\xff\xfe", "is no manifest of a snapshot"),
    (b"[]", "another format"),
    (b'{"format": "something"}', "another format"),
    (b"[" * 500_000, "is no manifest of a snapshot"),
    (b" " * (2**20 + 1), "longer than"),
    (b"SQLite format 3\0", "is no manifest of a snapshot"),
    (b'{"format": "foresql feature snapshot", "version": 2}', "and this foresql reads 1"),
    (b'{"format": "foresql feature snapshot", "version": 1}', "is missing"),
]


@pytest.mark.parametrize(("content", "message"), MANIFESTS)
def test_manifests_that_are_none(damaged, content, message):
    folder, check = damaged
    manifest_of(folder).write_bytes(content)
    check(message)


EDITS = [
    ({"place": "../../etc/passwd"}, "no file of a snapshot"),
    ({"place": "/etc/passwd"}, "no file of a snapshot"),
    ({"place": f"v.{'0' * 64}.sqlite"}, "which is not there"),
    ({"place": 1}, "is no text"),
    ({"view": "w"}, "is the manifest of 'w'"),
    ({"view": "../v"}, "cannot be the name"),
    ({"columns": [["id", "BIGINT"], ["x", "BLOB"]]}, "is BLOB"),
    ({"columns": [["id", "BIGINT"]] * 2}, "two columns have one name"),
    ({"columns": [[f"c{i}", "DOUBLE"] for i in range(3000)]}, "at most 2,000"),
    ({"columns": "x"}, "is no manifest"),
    ({"keys": []}, "The key of v is not named"),
    ({"keys": ["y"]}, "its columns are id, x"),
    ({"keys": ["x"]}, "is DOUBLE, and keys are"),
    ({"missing": "guess"}, "can be error, null or defaults"),
    ({"missing": "defaults", "defaults": {"x": "much"}}, "is no value of that"),
    ({"defaults": {"x": "1"}}, "leave one out"),
    ({"as_of": "2020-01-01"}, "as_of has no time zone"),
    ({"as_of": "yesterday"}, "is no manifest"),
    ({"rows": -1}, "is no count"),
    ({"rows": True}, "is no count"),
    ({"bytes": 1}, "it is not whole"),
    ({"bytes": 2**40}, "are read"),
    ({"sha256": "0" * 64}, "is not what was written"),
    ({"sha256": "x"}, "sha256 is none"),
    ({"source": {"query": 1}}, "is no text"),
]


@pytest.mark.parametrize(("changes", "message"), EDITS, ids=[str(e)[:40] for e, _ in EDITS])
def test_manifests_that_lie(folder_shop, changes, message):
    folder_shop.materialize("v", "id", query=ONE)
    with folder_shop.open() as store:
        edit(Path(folder_shop.into), **changes)
        store.refresh()
        assert message in store.problems["v"]
        assert store.views["v"].get([(4,)]) == [(4, 6.0)]


def test_a_database_of_somebody_else(damaged):
    """A whole file of SQLite with its right hash, and triggers and views in it."""
    folder, check = damaged
    path = data_of(folder)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE entities (key INTEGER PRIMARY KEY, row BLOB)")
    connection.close()
    import hashlib

    content = path.read_bytes()
    edit(folder, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    check("another one of SQLite")


def test_rows_of_other_columns_are_an_error(folder_shop):
    """Whoever can write a manifest can lie about columns; what does not fit is no answer."""
    folder_shop.materialize("v", "id", query=ONE)
    edit(Path(folder_shop.into), columns=[["id", "BIGINT"], ["x", "FLOAT"]])
    with folder_shop.open() as store, pytest.raises(FeatureError, match="not those of its columns"):
        store.views["v"].get([(4,)])


def test_other_columns_are_another_view(shop):
    """Who reads a view was made for its columns: a value would come under another's name."""
    shop.materialize("v", "id", query="SELECT 1 AS id, 'a' AS x")
    with shop.open() as store:
        first = store.views["v"]
        for query, row in [
            ("SELECT 1 AS id, 'b' AS x, 2 AS y", (1, "b", 2)),
            ("SELECT 1 AS id, 3 AS x", (1, 3)),
            ("SELECT 4 AS x, 1 AS id", (4, 1)),
            ("SELECT 1 AS id", (1,)),
            ("SELECT 1 AS id, 'c' AS x", (1, "c")),
        ]:
            before = store.views["v"]
            shop.materialize("v", "id", query=query)
            store.refresh()
            assert store.problems == {}
            assert store.views["v"] is not before
            assert store.views["v"].get([(1,)]) == [row]
        assert first.get([(1,)]) == [(1, "a")]
        assert list(first.view.columns) == ["id", "x"]
        latest = store.views["v"]
        shop.materialize("v", "id", query="SELECT 1 AS id, 'd' AS x")
        store.refresh()
        assert store.views["v"] is latest
        assert latest.get([(1,)]) == [(1, "d")]


def test_a_view_that_is_new_is_found(shop):
    shop.materialize("v", "id", query="SELECT 1 AS id")
    with shop.open() as store:
        shop.materialize("w", "id", query="SELECT 2 AS id")
        store.refresh()
        assert sorted(store.views) == ["v", "w"]
        assert store.views["w"].get([(2,)]) == [(2,)]


def test_a_manifest_that_is_gone_is_a_problem_and_no_failure(folder_shop):
    folder_shop.materialize("v", "id", query="SELECT 1 AS id")
    with folder_shop.open() as store:
        for path in Path(folder_shop.into).iterdir():
            path.unlink()
        store.refresh()
        assert "is gone" in store.problems["v"]
        assert store.views["v"].get([(1,)]) == [(1,)]


def test_what_failed_once_is_tried_again(folder_shop, monkeypatch):
    """It may have been a server that was slow, or a file that was still being copied."""
    folder_shop.materialize("v", "id", query=ONE)
    with folder_shop.open() as store:
        folder_shop.materialize("v", "id", query=TWO)
        data = data_of(Path(folder_shop.into))
        away = data.rename(data.with_name("away"))
        store.refresh()
        assert "which is not there" in store.problems["v"]
        away.rename(data)
        store.refresh()
        assert "which is not there" in store.problems["v"], "it is left alone for a while"
        monkeypatch.setattr(following, "time", SimpleNamespace(monotonic=lambda: math.inf))
        store.refresh()
        assert store.problems == {}
        assert store.views["v"].get([(4,)]) == [(4, 10.0)]


def test_a_problem_goes_with_its_file(folder_shop):
    folder_shop.materialize("v", "id", query=ONE)
    broken = Path(folder_shop.into) / "w.json"
    broken.write_text("{}")
    with folder_shop.open() as store:
        assert list(store.problems) == ["w"]
        broken.unlink()
        store.refresh()
        assert store.problems == {}


def test_a_file_that_goes_while_it_is_opened(folder_shop, monkeypatch):
    """A newer snapshot came between the check and the opening: that one is taken."""
    folder_shop.materialize("v", "id", query=ONE)
    check = folder.check_file

    def check_and_replace(file, manifest):
        check(file, manifest)
        monkeypatch.setattr(folder, "check_file", check)
        folder_shop.materialize("v", "id", query=TWO)

    monkeypatch.setattr(folder, "check_file", check_and_replace)
    with folder_shop.open() as store:
        assert store.problems == {}
        assert store.views["v"].get([(4,)]) == [(4, 10.0)]


def test_a_file_that_is_cut_while_it_is_read_kills_nobody(folder_shop):
    """Rows that were not cut may be found; what cannot be read is an error, and not a signal."""
    folder_shop.materialize(
        "v", "id", query="SELECT i AS id, repeat('x', 900) AS x FROM range(50000) t(i)"
    )
    with open_online(folder_shop.into) as store:
        os.truncate(data_of(Path(folder_shop.into)), 8192)
        with pytest.raises(FeatureError, match="v cannot be read"):
            store.views["v"].get([(i,) for i in range(0, 50_000, 100)])
