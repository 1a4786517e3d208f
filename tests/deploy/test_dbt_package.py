"""The package in a user's project: written, renewed, and never over somebody's work."""

import hashlib
import json

import pytest

from foresql import ForesqlError
from foresql.deploy.dbt_package import MARKER, SHIPPED_PACKAGE, write_dbt_package


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MARKER
    }


@pytest.fixture
def project(tmp_path):
    (tmp_path / "dbt_project.yml").touch()
    return tmp_path


def test_it_is_the_shipped_one_and_packages_yml_finds_it(project):
    copy = write_dbt_package(project / "packages/foresql")
    assert files(copy.folder) == files(SHIPPED_PACKAGE)
    assert copy.files == len(files(copy.folder))
    assert copy.packages == "packages:\n  - local: packages/foresql\n"


def test_renewed_it_keeps_what_was_edited_and_drops_what_is_gone(project):
    folder = write_dbt_package(project / "foresql").folder
    (folder / "macros/keys.sql").write_text("mine")
    marker = json.loads((folder / MARKER).read_text())
    old = folder / "macros/old.sql"
    old.write_text("of an earlier version")
    marker["macros/old.sql"] = hashlib.sha256(b"of an earlier version").hexdigest()
    (folder / MARKER).write_text(json.dumps(marker))
    (folder / "macros/new.sql").write_text("a macro of the user's own")

    (kept,) = write_dbt_package(folder).kept
    assert kept.read_text() == "mine"
    assert kept.name == "keys.sql.kept"
    assert not old.exists()
    assert files(folder) == files(SHIPPED_PACKAGE) | {
        "macros/keys.sql.kept": b"mine",
        "macros/new.sql": b"a macro of the user's own",
    }


def test_a_folder_of_something_else_stays(project):
    (project / "models").mkdir()
    (project / "models/mine.sql").write_text("select 1")
    with pytest.raises(ForesqlError, match=r"not empty.*\n.*packages/foresql"):
        write_dbt_package(project / "models")
    with pytest.raises(ForesqlError, match="cannot be written"):
        write_dbt_package(project / "dbt_project.yml")
    assert files(project) == {"dbt_project.yml": b"", "models/mine.sql": b"select 1"}
