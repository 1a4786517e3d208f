import json
from pathlib import Path

import pytest

from foresql.errors import RegistryError
from foresql.registry import Catalog, Registry, default_path


def test_default_path(monkeypatch):
    monkeypatch.delenv("FORESQL_REGISTRY", raising=False)
    assert default_path() == Path("foresql_registry")
    monkeypatch.setenv("FORESQL_REGISTRY", "")
    assert default_path() == Path("foresql_registry")
    monkeypatch.setenv("FORESQL_REGISTRY", "/models")
    assert default_path() == Path("/models")


def test_create(tmp_path):
    path = tmp_path / "a" / "b"
    assert Registry.open(path, create=True).models() == []
    assert json.loads((path / "foresql-registry.json").read_text()) == {"format_version": 1}
    assert Registry.open(path, create=True).path == path
    assert Catalog(path).models() == []
    assert repr(Registry(path)) == f"Registry({str(path)!r})"


def test_path_from_home_and_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Registry.open("~/r", create=True).path == tmp_path / "r"
    registry = Registry.open("r")
    monkeypatch.chdir("/")
    assert registry.models() == []


@pytest.mark.parametrize("opened", [Registry, Registry.open, Catalog])
def test_no_registry(tmp_path, opened):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(RegistryError, match=rf"no registry at {path}\. Publish.*create=True"):
            opened(path)


def test_what_a_killed_maker_left_is_no_obstacle(tmp_path):
    (tmp_path / ".tmp-0").touch()
    assert Registry.open(tmp_path, create=True).models() == []


def test_a_folder_with_other_files_is_not_taken(tmp_path):
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(RegistryError, match=r"holds 'thesis\.doc' and is no registry"):
        Registry.open(tmp_path, create=True)
    with pytest.raises(RegistryError, match="a file has its place"):
        Registry.open(tmp_path / "thesis.doc", create=True)
    with pytest.raises(RegistryError, match="cannot be made a registry"):
        Registry.open(tmp_path / "thesis.doc" / "r", create=True)


def test_later_format(tmp_path):
    (tmp_path / "foresql-registry.json").write_text('{"format_version": 2}')
    for create in (False, True):
        with pytest.raises(RegistryError, match=r"has format version 2.*Install a newer foresql"):
            Registry.open(tmp_path, create=create)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": true}', "\xff" * 3])
def test_damaged_marker(tmp_path, text):
    (tmp_path / "foresql-registry.json").write_text(text, "latin-1")
    with pytest.raises(RegistryError, match=r"foresql-registry\.json (cannot be read|names no)"):
        Registry(tmp_path)
