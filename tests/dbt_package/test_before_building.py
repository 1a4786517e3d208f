"""Commands that read the project before anything is built, or build from another's tables."""

import shutil

import pytest
from dbt_shop import open_shop

SOURCES = """
sources:
  - name: raw
    schema: "{{ target.schema }}"
    tables: [{name: customers}]
"""
QUIET = "vars: {foresql_run_log: false}\n"
UNIT_TEST = """
unit_tests:
  - name: only_what_is_stale_is_scored
    model: scores
    overrides: {macros: {is_incremental: true}}
    given:
      - input: source('raw', 'customers')
        rows:
          - {id: 1, Distance: 1.0, Two words: 0.5, features_hash: a}
          - {id: 2, Distance: 1.0, Two words: 0.5, features_hash: b}
      - input: this
        rows: [{id: 1, features_hash: a, model_name: late, model_version: 2}]
    expect:
      rows: [{id: 2, model_name: late, features_hash: b}]
"""
CUSTOMERS = """
create table customers as
select 1 as id, 0.5 as "Distance", 0.5 as "Two words", 'x' as features_hash
"""
FUNCTIONS = {"predict_late_challenger": "late@challenger"}
SCORES = """{{ foresql.scored(
    'late@challenger', source('raw', 'customers'), key='id', predict='is_late') }}"""


@pytest.fixture(params=["duckdb", "postgres"])
def new(request, models, tmp_path):
    shop = open_shop(tmp_path / "shop", models.registry, FUNCTIONS)
    shop.target = request.param
    if request.param == "postgres":
        settings = request.getfixturevalue("postgres").settings
        shop.environment = {**settings, "SHOP_SCHEMA": "fresh"}
        shop.sql("drop schema if exists fresh cascade")
        shop.sql("create schema fresh")
    shop.put("dbt_project.yml", (shop.folder / "dbt_project.yml").read_text() + QUIET)
    shop.compile_step("late@challenger", to=("duckdb", "postgres", "snowflake"))
    shop.put("models/sources.yml", SOURCES)
    shop.write(models__scores=SCORES)
    return shop


def test_nothing_is_there_yet_and_then_all_of_it(new):
    new.run("docs", "generate")
    assert '"customers"' in new.compiled("scores")
    meta = new.manifest["nodes"]["model.shop.scores"]["config"]["meta"]["foresql"]
    assert (meta["features"], meta["version"]) == ("raw.customers", 2)
    new.sql(CUSTOMERS)
    new.run("build")
    new.put("models/unit_tests.yml", UNIT_TEST)
    assert "ERROR=0 SKIP=0" in new.run("build", "--select", "scores").printed
    assert new.sql("select is_late is null from scores") == [(False,)]


def test_another_developers_tables_stand_in(new):
    if new.target == "postgres":
        pytest.skip("dbt does the same there")
    new.sql(CUSTOMERS)
    new.run("build")
    state = str(shutil.copytree(new.folder / "target", new.folder.parent / "state"))
    new.write(models__reading="select * from {{ ref('scores') }}")
    new.run("clone", "--state", state, "--select", "scores")
    new.run("build", "--select", "reading", "--defer", "--state", state)
    assert new.sql("select count(*) from reading") == [(1,)]
    new.target = "snowflake"
    new.run("parse")
    config = new.manifest["nodes"]["model.shop.scores"]["config"]
    assert (config["unique_key"], config["incremental_strategy"]) == ('"ID"', "delete+insert")
