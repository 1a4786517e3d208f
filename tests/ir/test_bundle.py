import hashlib
import io
import json
import math
import random
import zipfile

import numpy as np
import pytest

from foresql.errors import BundleError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature, codec
from foresql.ir.archive import MAX_MEMBERS, pack, unpack
from foresql.ir.bundle import Bundle, decode_bundle, encode_bundle, read_bundle
from foresql.ir.npy import write_npy
from foresql.ir.steps import Dot

CARD = {"metrics": {"auc": 0.73}, "git": None, "notes": ["É", True, 12]}


@pytest.fixture
def content(model):
    return encode_bundle(Bundle(model, CARD))[0]


def test_round_trip(tmp_path, model, plain):
    content, digest = encode_bundle(Bundle(model, CARD))
    path = tmp_path / "m.foresql"
    path.write_bytes(content)
    bundle = read_bundle(path, digest)
    assert plain(bundle.model) == plain(model)
    assert bundle.card == CARD


def test_a_program_comes_back(model):
    content, digest = encode_bundle(Bundle(model, CARD, b"a program"))
    bundle = decode_bundle(content, digest)
    assert bundle.program == b"a program"
    assert encode_bundle(bundle) == (content, digest)
    assert list(unpack(content))[-2:] == ["program.bin", "manifest.sha256"]


def test_the_programs_digest_is_found_without_reading_json(model):
    members = unpack(encode_bundle(Bundle(model, CARD, b"a program"))[0])
    digest = hashlib.sha256(b"a program").hexdigest()
    assert members["manifest.json"].count(b'\n "program": "' + digest.encode()) == 1


@pytest.mark.parametrize("change", ["drop", "edit", "empty", "move", "add"])
def test_a_program_that_is_not_the_manifests(model, change):
    members = unpack(encode_bundle(Bundle(model, CARD, b"" if change == "add" else b"program"))[0])
    last = members.pop("manifest.sha256")
    if change == "edit":
        members["program.bin"] = b"another"
    elif change in {"empty", "add"}:
        members["program.bin"] = b"" if change == "empty" else b"program"
    else:
        program = members.pop("program.bin")
        if change == "move":
            members = {
                "manifest.json": members.pop("manifest.json"),
                "program.bin": program,
            } | members
    with pytest.raises(BundleError, match=r"program\.bin"):
        decode_bundle(pack(members | {"manifest.sha256": last}))


def test_a_bundle_of_the_first_format_has_no_program(model):
    members = unpack(encode_bundle(Bundle(model, CARD))[0])
    manifest = json.loads(members["manifest.json"])
    del manifest["program"]
    text = json.dumps(manifest | {"format_version": 1}).encode()
    digest = hashlib.sha256(text).hexdigest().encode()
    bundle = decode_bundle(pack(members | {"manifest.json": text, "manifest.sha256": digest}))
    assert bundle.program == b""
    assert bundle.card == CARD


def test_same_bundle_has_the_same_bytes(model):
    reordered = dict(reversed(CARD.items()))
    assert encode_bundle(Bundle(model, CARD)) == encode_bundle(Bundle(model, reordered))


def test_reading_and_writing_again_gives_the_same_bytes(content):
    assert encode_bundle(decode_bundle(content))[0] == content


def test_the_format_is_pinned():
    # Bytes name bundles in every registry: they must not depend on the platform, on numpy or on
    # Python. If a change to the format makes this fail, FORMAT_VERSION has to go up with it.
    step = Dot(("x",), ("y",), np.array([[0.1]]), np.array([math.pi]))
    signature = Signature((Column("x", ColumnType.DOUBLE),))
    model = Model(signature, (step,), Outputs(("y",)), {"x": math.inf})
    content, _ = encode_bundle(Bundle(model, CARD))
    assert hashlib.sha256(content).hexdigest() == PINNED


PINNED = "6cfc015b4e55222dbb35356646164191ceefd22f91dd14df8513138912507529"


def test_any_zip_tool_and_numpy_can_look_inside(content, model):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("manifest.json"))["card"] == CARD
        arrays = codec.encode_model(model)[1]
        for name, array in arrays.items():
            found = np.load(io.BytesIO(archive.read(f"arrays/{name}.npy")), allow_pickle=False)
            assert found.dtype == array.dtype
            assert found.tobytes() == array.tobytes()


def test_arrays_cannot_be_written_to(content):
    forest = next(step for step in decode_bundle(content).model.steps if hasattr(step, "trees"))
    with pytest.raises(ValueError, match="read-only"):
        forest.trees.value[2] = 1.0


def test_truncated_anywhere(content):
    for end in {*range(0, len(content), 29), *range(60), *range(len(content) - 60, len(content))}:
        with pytest.raises(BundleError):
            decode_bundle(content[:end])


def test_any_changed_byte_is_noticed(content):
    rng = random.Random(0)  # noqa: S311 - reproducible, not secret
    for position in range(len(content)):
        edited = bytearray(content)
        edited[position] ^= 1 << rng.randrange(8)
        with pytest.raises(BundleError):
            decode_bundle(bytes(edited))


@pytest.mark.parametrize("extra", [b"\0", b"PK\3\4", b"x" * 1000])
def test_bytes_around_it(content, extra):
    for edited in (extra + content, content + extra):
        with pytest.raises(BundleError):
            decode_bundle(edited)


def test_expected_digest(tmp_path, model):
    path = tmp_path / "m.foresql"
    path.write_bytes(encode_bundle(Bundle(model))[0])
    other = encode_bundle(Bundle(model, CARD))[1]
    with pytest.raises(BundleError, match=rf"(?s){path}.*edited.*{other[:12]}.*What to do"):
        read_bundle(path, other)


def test_no_file_a_folder_and_an_empty_file(tmp_path):
    with pytest.raises(BundleError, match="no bundle at"):
        read_bundle(tmp_path / "gone.foresql")
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(BundleError, match="no bundle"):
        read_bundle(tmp_path / "empty")


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_zip_made_by_another_tool(content, how):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, blob in unpack(content).items():
            archive.writestr(name, blob)
    with pytest.raises(BundleError, match="compressed"):
        decode_bundle(buffer.getvalue())


@pytest.mark.parametrize("change", ["drop", "add", "swap"])
def test_members_are_those_of_the_manifest(content, change):
    members = unpack(content)
    names = list(members)
    match change:
        case "drop":
            del members[names[1]]
        case "add":
            members["arrays/z.npy"] = b""
        case "swap":
            members = {name: members[name] for name in (names[0], *reversed(names[1:]))}
    with pytest.raises(BundleError, match="disagree"):
        decode_bundle(pack(members))


def test_array_edited_in_a_whole_zip(content):
    members = unpack(content)
    name = next(name for name in members if name.endswith(".value.npy"))
    members[name] = members[name][:-1] + b"!"
    with pytest.raises(BundleError, match=r"value\.npy' was edited"):
        decode_bundle(pack(members))


def test_array_under_another_name(model, forge):
    members = unpack(forge(*codec.encode_model(model)))
    manifest = json.loads(members["manifest.json"])
    members["zz"] = members.pop("arrays/residuals.npy")
    manifest["arrays"]["zz"] = manifest["arrays"].pop("arrays/residuals.npy")
    text = json.dumps(manifest).encode()
    stated = hashlib.sha256(text).hexdigest().encode()
    arrays = {name: members[name] for name in sorted(manifest["arrays"])}
    with pytest.raises(BundleError, match="'zz' is no name of an array"):
        decode_bundle(pack({"manifest.json": text, **arrays, "manifest.sha256": stated}))


def test_future_version(model, forge):
    with pytest.raises(BundleError, match=r"format version 3.*reads up to 2.*newer foresql"):
        decode_bundle(forge(*codec.encode_model(model), format_version=3))


@pytest.mark.parametrize("version", [0, -1, True, None, "1", 1.0, [1], {}])
def test_no_version(model, forge, version):
    with pytest.raises(BundleError, match="names no format version"):
        decode_bundle(forge(*codec.encode_model(model), format_version=version))


@pytest.mark.parametrize("changes", [{"card": []}, {"model": 3}, {"arrays": None}, {"more": 1}])
def test_manifest_of_another_form(model, forge, changes):
    with pytest.raises(BundleError, match="does not hold exactly"):
        decode_bundle(forge(*codec.encode_model(model), **changes))


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_manifest_that_only_python_reads(model, forge, value):
    with pytest.raises(BundleError, match="no JSON"):
        decode_bundle(forge(*codec.encode_model(model), card={"auc": value}))


def nested() -> list:
    value: list = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", [math.nan, np.int64(3), object(), b"x", "\ud800", nested()])
def test_card_that_json_cannot_hold(model, value):
    with pytest.raises(BundleError, match="card"):
        encode_bundle(Bundle(model, {"metric": value}))


@pytest.mark.parametrize("text", [b"", b"\xff", b"[1", b"[]", b"3", b"[" * 100_000])
def test_manifest_that_is_no_json_object(text):
    stated = hashlib.sha256(text).hexdigest().encode()
    with pytest.raises(BundleError, match="is no"):
        decode_bundle(pack({"manifest.json": text, "manifest.sha256": stated}))


def npy(header: str, data: bytes = b"") -> bytes:
    line = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


def saved(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


FLOATS = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }"

BAD_ARRAYS = {
    "empty": b"",
    "no npy": b"x" * 500,
    "objects": saved(np.array([{}], object)),
    "object header": npy(FLOATS.replace("<f8", "|O") % "1,", b"x" * 8),
    "text": saved(np.array(["x"])),
    "structured": saved(np.zeros(1, [("a", "f8")])),
    "big-endian": saved(np.zeros(1, ">f8")),
    "float32": saved(np.zeros(1, np.float32)),
    "fortran order": saved(np.asfortranarray(np.zeros((2, 2)))),
    "scalar": saved(np.float64(1)),
    "three dimensions": saved(np.zeros((1, 1, 1))),
    "huge": npy(FLOATS % "1000000000000,"),
    "huge and empty": npy(FLOATS % "0, 9999999999"),
    "negative": npy(FLOATS % "-1,"),
    "too many digits": npy(FLOATS % ("9" * 5000 + ",")),
    "expression": npy(FLOATS % "1+1,", bytes(16)),
    "call": npy(FLOATS % "__import__('os').getpid(),"),
    "nested": npy("(" * 30_000),
    "other spaces": npy((FLOATS % "1,").replace(", '", ",'"), bytes(8)),
    "short padding": npy(FLOATS % "1,", bytes(8)),
    "short": write_npy(np.zeros(3))[:-1],
    "long": write_npy(np.zeros(3)) + b"\0",
    "version 2": b"\x93NUMPY\x02\x00" + write_npy(np.zeros(1))[8:],
    "truth value of 2": write_npy(np.zeros(1, bool))[:-1] + b"\2",
}


@pytest.mark.parametrize("blob", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_array_that_is_not_as_written(model, forge, blob):
    document, arrays = codec.encode_model(model)
    with pytest.raises(BundleError, match=r"array 'arrays/residuals.npy' cannot be read"):
        decode_bundle(forge(document, arrays | {"residuals": blob}))


NO_ARRAYS = [np.zeros(1, "f4"), np.array(["x"]), np.array([{}]), np.zeros(()), np.zeros((1, 1, 1))]


@pytest.mark.parametrize("array", NO_ARRAYS)
def test_array_that_no_model_has(array):
    with pytest.raises(BundleError, match="is no array of a model"):
        write_npy(array)


def test_too_many_members():
    members = {f"{i}": b"" for i in range(MAX_MEMBERS + 1)}
    with pytest.raises(BundleError, match="65,535 parts"):
        pack(members)
