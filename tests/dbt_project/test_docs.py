"""Every table and every column of the project says what it is."""

import json


def test_every_model_and_column_is_described(demo_run, project):
    manifest = json.loads((demo_run.workspace.project / "target/manifest.json").read_text())
    models = {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    undescribed = {name for name, model in models.items() if not model["description"]}
    for name, column in project.query(
        """
        select table_name, column_name from duckdb_columns()
        where schema_name = 'main' and not internal
        """
    ):
        if not models[name]["columns"].get(column, {}).get("description"):
            undescribed.add(f"{name}.{column}")
    assert not undescribed
    assert len(models) == 10
