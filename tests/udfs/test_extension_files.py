"""What the extension reads: bundles and registries, damaged in every way, and aliases that move."""

import hashlib
import json
import shutil
import struct
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql.ir.archive import pack, unpack
from foresql.ir.bundle import FORMAT_VERSION, Bundle, encode_bundle
from foresql.kernels import build_program
from foresql.registry import ANY, Registry
from foresql.udfs.duckdb.extension import extension_path

pytestmark = pytest.mark.skipif(
    extension_path() is None, reason="the DuckDB extension was not built with the package"
)


@pytest.fixture(scope="module")
def con():
    with foresql.connect() as connection:
        yield connection


@pytest.fixture
def content(line) -> bytes:
    model = line.scorer.model
    return encode_bundle(Bundle(model, {"name": "line"}, build_program(model)))[0]


@pytest.fixture
def score(con, tmp_path):
    """Write bytes as a bundle, and score a row with it."""

    def run(content: bytes) -> float:
        path = tmp_path / "m.foresql"
        path.write_bytes(content)
        return con.execute(f"SELECT foresql_predict('{path}', 3)").fetchall()[0][0]

    return run


def refused(score, content, message):
    with pytest.raises(duckdb.BinderException) as caught:
        score(content)
    assert message in str(caught.value)


def sealed(members: dict[str, bytes]) -> bytes:
    """Pack members with the digests of what they hold now."""
    manifest = json.loads(members["manifest.json"])
    if "program.bin" in members:
        manifest["program"] = hashlib.sha256(members["program.bin"]).hexdigest()
    return with_manifest(members, json.dumps(manifest, sort_keys=True, indent=1).encode())


def with_manifest(members: dict[str, bytes], manifest: bytes) -> bytes:
    digest = hashlib.sha256(manifest).hexdigest().encode()
    return pack({**members, "manifest.json": manifest, "manifest.sha256": digest})


class TestBundles:
    def test_whole(self, score, content):
        assert score(content) == pytest.approx(7)
        assert score(sealed(unpack(content))) == pytest.approx(7)

    def test_no_byte_changes_an_answer(self, score, content):
        random = np.random.default_rng(3)
        places = {*random.integers(0, len(content), 150).tolist(), *range(60)}
        places |= set(range(len(content) - 250, len(content), 2))
        expected, refusals = score(content), 0
        for place in sorted(places):
            edited = bytearray(content)
            edited[place] ^= 1 << int(random.integers(8))
            try:
                assert score(bytes(edited)) == expected
            except duckdb.BinderException:
                refusals += 1
        assert refusals > len(places) / 2

    def test_truncated(self, score, content):
        for size in (0, 1, 21, 22, 30, len(content) // 2, len(content) - 1):
            refused(score, content[:size], "is not as foresql writes it")

    def test_something_before_or_behind(self, score, content):
        refused(score, content + b"\0", "is not as foresql writes it")
        refused(score, b"\0" + content, "is not as foresql writes it")

    @pytest.mark.parametrize("offset", [-14, -12, -10, -6])
    def test_a_directory_that_claims_too_much(self, score, content, offset):
        edited = bytearray(content)
        edited[offset : offset + 4 if offset > -11 else offset + 2] = (
            struct.pack("<I", 2**32 - 1) if offset > -11 else struct.pack("<H", 2**16 - 1)
        )
        refused(score, bytes(edited), "is not as foresql writes it")

    def test_an_edited_program(self, tmp_path, content):
        members = unpack(content)
        members["program.bin"] = members["program.bin"][:-1] + b"?"
        path = tmp_path / "m.foresql"
        path.write_bytes(pack(members))
        # A connection of its own, which has no such model open.
        with foresql.connect() as con, pytest.raises(duckdb.BinderException, match="was edited"):
            con.execute(f"SELECT foresql_predict('{path}', 3)")

    def test_an_edited_manifest(self, score, content):
        members = unpack(content)
        members["manifest.json"] = members["manifest.json"].replace(b'"line"', b'"lime"')
        refused(score, pack(members), "its manifest was edited")

    def test_a_resealed_program_never_crashes(self, score, content):
        random = np.random.default_rng(5)
        members = unpack(content)
        program = members["program.bin"]
        for _ in range(100):
            edited = bytearray(program)
            edited[random.integers(len(program))] = random.integers(256)
            try:
                score(sealed({**members, "program.bin": bytes(edited)}))
            except (duckdb.BinderException, duckdb.InvalidInputException) as error:
                assert str(error)  # noqa: PT017 - an answer is right, too
        for size in (0, 8, 71, 72, 100):
            refused(score, sealed({**members, "program.bin": program[:size]}), "program")

    def test_without_a_program(self, score, line):
        content, _ = encode_bundle(Bundle(line.scorer.model))
        refused(score, content, "it holds no native program")

    def test_a_program_twice(self, score, content):
        manifest = unpack(content)["manifest.json"]
        twice = manifest.replace(b'\n "program": "', b'\n "program": "x",\n "program": "')
        refused(score, with_manifest(unpack(content), twice), "it holds no native program")

    def test_a_later_format(self, score, content):
        now, later = (f'"format_version": {n}'.encode() for n in (FORMAT_VERSION, 99))
        members = unpack(content)
        edited = members["manifest.json"].replace(now, later)
        refused(score, with_manifest(members, edited), "has format version 99")

    def test_another_file_in_its_place(self, con, tmp_path, content):
        digest = hashlib.sha256(unpack(content)["manifest.json"]).hexdigest()
        path = tmp_path / "m.foresql"
        path.write_bytes(content)
        call = f"SELECT foresql_predict('{path}#{digest}', 3)"
        assert con.execute(call).fetchall() == [(pytest.approx(7),)]
        other = tmp_path / f"{'0' * 64}.foresql"
        other.write_bytes(content)
        for reference in (f"{path}#{'0' * 64}", other):
            with pytest.raises(duckdb.BinderException, match="it is another bundle"):
                con.execute(f"SELECT foresql_predict('{reference}', 3)")

    def test_a_folder_and_a_missing_file(self, con, tmp_path):
        (tmp_path / "folder.foresql").mkdir()
        for name in ("folder.foresql", "none.foresql"):
            with pytest.raises(duckdb.BinderException, match=name):
                con.execute(f"SELECT foresql_predict('{tmp_path / name}', 3)")


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """Give `delay`: version 1 doubles, version 2 (the champion) triples, version 3 fourfolds."""
    frame = pd.DataFrame({"x": np.arange(50.0)})
    store = Registry.open(tmp_path_factory.mktemp("published") / "registry", create=True)
    for factor in (2, 3, 4):
        model = LinearRegression().fit(frame, frame["x"] * factor)
        foresql.publish("delay", model, like=frame, registry=store.path)
    store.move_alias("delay", "champion", 2, expected=None)
    return store.path


@pytest.fixture
def registry(published, tmp_path) -> Registry:
    return Registry.open(shutil.copytree(published, tmp_path / "registry"))


@pytest.fixture
def predict(con, registry):
    """Score 1 with a reference into the registry."""
    con.execute(f"SET GLOBAL foresql_registry = '{registry.path}'")
    call = "SELECT foresql_predict($reference, 1)"
    yield lambda reference: con.execute(call.replace("$reference", f"'{reference}'")).fetchall()[0][
        0
    ]
    con.execute("RESET GLOBAL foresql_registry")


class TestRegistries:
    def test_references(self, con, registry, predict, monkeypatch):
        for reference in ("delay@champion", "delay:2", f"{registry.path}/delay@champion"):
            assert predict(reference) == pytest.approx(3)
        con.execute("RESET GLOBAL foresql_registry")
        monkeypatch.setenv("FORESQL_REGISTRY", str(registry.path))
        assert predict("delay:1") == pytest.approx(2)
        monkeypatch.delenv("FORESQL_REGISTRY")
        with pytest.raises(duckdb.BinderException, match="There is no registry at foresql_reg"):
            predict("delay:1")

    def test_an_alias_that_moves_is_seen_by_the_next_query(self, con, registry, predict):
        assert predict("delay@champion") == pytest.approx(3)
        con.execute("PREPARE bound AS SELECT foresql_predict('delay@champion', $1::DOUBLE)")
        registry.move_alias("delay", "champion", 3, expected=2)
        assert predict("delay@champion") == pytest.approx(4)
        registry.rollback("delay", "champion")
        assert predict("delay@champion") == pytest.approx(3)
        con.execute("DEALLOCATE bound")

    def test_a_registered_function_keeps_its_version(self, con, registry):
        foresql.register(con, "delay@champion", registry=registry.path)
        registry.move_alias("delay", "champion", 1, expected=ANY)
        assert con.execute("SELECT predict_delay(1), version_delay()").fetchall() == [
            (pytest.approx(3), 2)
        ]
        foresql.unregister(con, "predict_delay")

    def test_connect_takes_a_registry(self, registry):
        with foresql.connect(registry=registry.path) as connection:
            foresql.register(connection, "delay@champion")
            call = "SELECT predict_delay(1), foresql_predict('delay@champion', 1)"
            assert connection.execute(call).fetchall() == [(pytest.approx(3), pytest.approx(3))]

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("delay", "Model 'delay' has 3 versions"),
            ("delay:4", "Model 'delay' has no version 4. It has versions 1 to 3"),
            ("delay:999999999", "Model 'delay' has no version 999999999"),
            ("delay:0", "names no model"),
            ("delay:1x", "names no model"),
            ("delay@", "names no model"),
            ("delay@none", "Model 'delay' has no alias 'none'. There is: champion"),
            ("delay@Champion", "Model 'delay' has no alias 'Champion'"),
            ("Delay:1", "There is no model 'Delay'"),
            ("other:1", "There is no model 'other'"),
            ("../delay:1", "There is no registry at .."),
            ("de/lay/../delay:1", "There is no registry at de/lay/.."),
            ("x" * 70, "names no model"),
            ("y" * 5000 + "/delay:1", "too long"),
        ],
    )
    def test_what_is_not_there(self, predict, reference, message):
        with pytest.raises(duckdb.BinderException) as caught:
            predict(reference)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        "edit",
        [
            lambda text: text[:0],
            lambda text: text[:-3],
            lambda text: text.replace("{", "[", 1),
            lambda text: text.replace('"version": 2', '"version": 1'),
            lambda text: text.replace('"version": 2', '"version": 2.0'),
            lambda text: text.replace('"version": 2', '"version": 2, "version": 2'),
            lambda text: text.replace('"version": 2', '"extra": 2'),
            lambda text: text.replace('"delay"', '"other"'),
            lambda text: text.replace('"delay"', '"de\\u006cay"'),
            lambda text: text + "x",
            lambda text: text + "\0",
            lambda text: text.replace('"digest": "', '"digest": "g'),
            lambda text: text[:1] * 100_000,
        ],
    )
    def test_a_damaged_record(self, registry, predict, edit):
        path = registry.path / "models/delay/versions/000002.json"
        path.write_text(edit(path.read_text()))
        with pytest.raises(duckdb.BinderException, match="damaged"):
            predict("delay@champion")

    def test_a_damaged_move(self, registry, predict):
        path = registry.path / "models/delay/aliases/champion/000001.json"
        path.write_text(path.read_text().replace('"sequence": 1', '"sequence": 2'))
        with pytest.raises(duckdb.BinderException, match="damaged"):
            predict("delay@champion")

    def test_a_later_registry(self, registry, predict):
        (registry.path / "foresql-registry.json").write_text('{"format_version": 9}')
        with pytest.raises(duckdb.BinderException, match="has format version 9"):
            predict("delay:1")

    def test_a_swapped_bundle(self, registry, predict):
        bundles = sorted(Path(registry.path / "bundles").iterdir())
        bundles[0].write_bytes(bundles[1].read_bytes())
        refusals = 0
        for version in (1, 2, 3):
            try:
                predict(f"delay:{version}")
            except duckdb.BinderException as error:
                assert "it is another bundle" in str(error)  # noqa: PT017 - of one of three
                refusals += 1
        assert refusals == 1
