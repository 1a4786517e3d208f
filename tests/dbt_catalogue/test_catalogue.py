"""The catalogue in the warehouse: what dbt puts there, when, and what clients can ask of it."""

import json
import shutil

import duckdb
import pytest
import yaml
from scored_shop import PACKAGE, publish_bought

from foresql.registry.catalogue_columns import COLUMNS

# A table that is written anew loses this comment.
MARK = "comment on table foresql.models is 'as it was'"
MARKED = (
    "select comment = 'as it was' from duckdb_tables() "
    "where schema_name = 'foresql' and table_name = 'models'"
)


def test_models_and_their_columns_are_in_the_database(built_shop):
    version = built_shop.registry.version("bought", 1)
    rows = built_shop.query(
        "select reference, aliases, sha256, description, training_rows, problem from foresql.models"
    )
    assert rows == [("bought:1", "champion", version.digest, "Who buys", 80, None)]
    rows = built_shop.query(
        "select position, column_name, role, type from foresql.model_columns order by position"
    )
    assert rows == [
        (1, "age", "input", "double"),
        (2, "income", "input", "double"),
        (3, "predict", "output", "bigint"),
        (4, "predict_proba", "output", "double"),
    ]


def test_each_column_has_a_comment_that_clients_show(built_shop):
    rows = built_shop.query(
        "select table_name, column_name, comment from duckdb_columns() "
        "where schema_name = 'foresql' and table_name in ('models', 'model_columns')"
    )
    wanted = {(table, name, text) for table in COLUMNS for name, _, text in COLUMNS[table]}
    assert set(rows) == wanted


def test_the_sources_of_the_package_document_the_tables_as_they_are(built_shop):
    text = (PACKAGE / "models/foresql_sources.yml").read_text()
    (source,) = yaml.safe_load(text)["sources"]
    types = {"double precision": "double", "timestamp": "timestamp"}
    documented = {
        table["name"]: [
            (column["name"], types.get(column["data_type"], column["data_type"]))
            for column in table["columns"]
        ]
        for table in source["tables"]
    }
    there = {name: [] for name in documented}
    for table, name, kind in built_shop.query(
        "select table_name, column_name, lower(data_type) from duckdb_columns() "
        "where schema_name = 'foresql' order by table_name, column_index"
    ):
        there[table].append((name, kind))
    assert documented == there
    meanings = {
        (table["name"], column["name"]): column["description"]
        for table in source["tables"]
        for column in table["columns"]
    }
    for table, columns in COLUMNS.items():
        assert [meanings[table, name] for name, _, _ in columns] == [text for *_, text in columns]


def test_docs_show_the_catalogue(built_shop):
    manifest = json.loads((built_shop.folder / "target/manifest.json").read_text())
    source = manifest["sources"]["source.foresql.foresql.models"]
    assert source["columns"]["trained_on"]["description"]
    assert source["schema"] == "foresql"


def test_a_prediction_names_the_version_that_made_it_and_its_data(built_shop):
    version = built_shop.registry.version("bought", 1)
    card = built_shop.registry.load(version).card
    asked = """
        select id, model_version, model_sha256, model_training_sha256, model_estimator,
            model_published_at is not null and scored_at > model_published_at
        from foresql.prediction_lineage('predictions') where id = 3
    """
    assert built_shop.query(asked) == [
        (3, 1, version.digest, card["training"]["sha256"], card["estimator"], True)
    ]
    shown = built_shop.dbt(
        *("show", "--output", "json", "--inline"),
        "{{ foresql.lineage(ref('predictions')) }} where id = 3",
    )
    assert shown.result.success, shown.printed
    assert version.digest in shown.printed


def test_the_tables_follow_the_registry_and_are_written_only_when_it_changes(shop):
    shop.query(MARK)
    assert shop.dbt("run", "--select", "customers").result.success
    assert shop.query(MARKED) == [(True,)]
    # A damaged version is told, and no reason to stop: the champion is another one.
    registry = shop.registry
    publish_bought(registry.path, weight=0.5, alias="challenger")
    registry.bundle_path(registry.version("bought", 2)).write_bytes(b"PK")
    ran = shop.dbt("build", "--select", "customers", "source:foresql")
    assert ran.result.success, ran.printed
    assert ran.status("foresql_source_no_problem") == "warn"
    assert "is not a whole bundle" in ran.printed
    assert shop.query(MARKED) == [(False,)]
    rows = "select model_version, aliases, problem is null from foresql.models order by 1"
    assert shop.query(rows) == [(1, "champion", True), (2, "challenger", False)]


def test_a_registry_that_is_not_there_now_takes_nothing_away(shop):
    rows = shop.query("from foresql.models")
    shutil.rmtree(shop.registry.path)
    assert shop.dbt("run", "--select", "customers").result.success
    assert shop.query("from foresql.models") == rows


def test_a_registry_that_was_made_anew_does_not_pass_its_numbers_off(shop):
    """Version 1 of the new registry is another model than version 1 of the old one."""
    tables = ("foresql.models", "foresql.runs", "predictions")
    before = [shop.query(f"from {table}") for table in tables]
    shutil.rmtree(shop.registry.path)
    publish_bought(shop.folder / "registry", weight=0.01, alias="champion")
    ran = shop.dbt("run")
    assert not ran.result.success
    assert "bought:1 is another model than the one that scored rows" in str(ran.result.exception)
    assert "dbt run --full-refresh" in str(ran.result.exception)
    assert [shop.query(f"from {table}") for table in tables] == before
    refreshed = shop.dbt("run", "--full-refresh")
    assert refreshed.result.success, refreshed.printed
    score = "select id, probability from predictions order by id"
    again = shop.query(score)
    assert again != sorted((row[1], row[3]) for row in before[2])
    assert shop.dbt("run").result.success
    assert shop.query(score) == again


def test_a_database_that_lacks_the_tables_gets_them_without_a_registry(shop):
    shutil.rmtree(shop.folder / "registry")
    (shop.folder / "shop.duckdb").unlink()
    assert shop.dbt("run", "--select", "customers").result.success
    assert shop.query("select count(*) from foresql.models") == [(0,)]
    assert shop.query("select count(*) from foresql.model_columns") == [(0,)]


def test_nothing_is_written_where_the_sources_are_disabled(shop):
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + "sources: {foresql: {foresql: {+enabled: false}}}\n")
    (shop.folder / "shop.duckdb").unlink()
    ran = shop.dbt("run", "--select", "customers")
    assert ran.result.success, ran.printed
    with pytest.raises(duckdb.CatalogException):
        shop.query("from foresql.models")
