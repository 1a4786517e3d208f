"""Every table and every column of the project says what it is, and predictions what made them."""

import json

from foresql import Registry
from foresql.demo.dbt_command import run_dbt


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
    assert len(models) == 13


def test_the_docs_say_which_version_predicts_and_what_certifies_it(project):
    run_dbt(project.workspace, "docs", "docs", "generate", "--no-compile")
    target = project.workspace.project / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    catalog = json.loads((target / "catalog.json").read_text())
    version = Registry(project.workspace.registry).resolve("delay@champion")

    name = "model.foresql_flights.delay_predictions"
    described = manifest["nodes"][name]
    assert f"delay:1, sha256 {version.digest}" in described["description"]
    assert "| certified | " in described["description"]
    probability = described["columns"]["late_probability"]["description"]
    assert probability.startswith(
        "Probability of the class 1, 0 to 1, by delay:1. Whether a flight"
    )
    features = manifest["nodes"]["model.foresql_flights.flight_features"]["description"]
    assert "| carrier | varchar | never | 9E, AA, AS, " in features
    assert set(described["columns"]) == set(catalog["nodes"][name]["columns"])
