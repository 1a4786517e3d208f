import pytest

from foresql.demo import DemoError
from foresql.demo.workspace import open_workspace

MODEL = "models/scoring/delay_predictions.sql"


def test_a_new_folder_gets_the_project(tmp_path):
    workspace = open_workspace(tmp_path / "new")
    assert (workspace.project / "dbt_project.yml").exists()
    assert (workspace.project / MODEL).exists()
    assert not (workspace.project / "target").exists()


@pytest.mark.parametrize("name", ["flights.duckdb", "registry", "dbt_project", "logs"])
def test_a_folder_that_holds_something_else_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DemoError, match=f"already holds {name}"):
        open_workspace(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_with_unrelated_files_is_taken(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    open_workspace(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_opening_again_changes_nothing(tmp_path):
    workspace = open_workspace(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    open_workspace(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert workspace.marker in before


def test_an_edited_model_is_kept_beside_the_shipped_one(tmp_path):
    workspace = open_workspace(tmp_path)
    model = workspace.project / MODEL
    shipped = model.read_text()
    for edit in ("select 1", "select 2"):
        model.write_text(edit)
        open_workspace(tmp_path)
    assert model.read_text() == shipped
    assert model.with_name("delay_predictions.sql.kept").read_text() == "select 1"
    assert model.with_name("delay_predictions.sql.kept-2").read_text() == "select 2"


def test_added_files_stay(tmp_path):
    workspace = open_workspace(tmp_path)
    added = workspace.project / "models/mine.sql"
    added.write_text("select 1")
    open_workspace(tmp_path)
    assert added.read_text() == "select 1"


def test_files_that_are_no_longer_shipped_go_unless_edited(tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    (shipped / "models").mkdir(parents=True)
    for name in ("stays", "goes", "edited"):
        (shipped / f"models/{name}.sql").write_text(name)
    monkeypatch.setattr("foresql.demo.workspace.SHIPPED_PROJECT", shipped)
    workspace = open_workspace(tmp_path / "demo")
    (workspace.project / "models/edited.sql").write_text("mine")
    (shipped / "models/goes.sql").unlink()
    (shipped / "models/edited.sql").unlink()
    open_workspace(tmp_path / "demo")
    left = {path.name: path.read_text() for path in (workspace.project / "models").iterdir()}
    assert left == {"stays.sql": "stays", "edited.sql.kept": "mine"}


def test_an_unreadable_marker_is_named(tmp_path):
    workspace = open_workspace(tmp_path)
    workspace.marker.write_text("{")
    with pytest.raises(DemoError, match="not readable"):
        open_workspace(tmp_path)
