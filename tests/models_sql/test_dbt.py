"""The form ``dbt``: what real dbt renders and builds is the kernel's answer."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import jinja2
import pyarrow as pa
import pytest
import yaml

import foresql
from foresql import ForesqlError, UnsupportedModelError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir.bundle import Bundle
from foresql.models_sql import Header, Statement, dbt, target_of, write_dbt
from foresql.models_sql.jinja import escaped_jinja, yaml_text

pytest.importorskip("dbt.adapters.duckdb")

ODD = '{{ 1 + 1 }} {% raw %} {# no #} {"a"} \r\n"\'\\ é'
PROFILE = """
shop:
  target: local
  outputs:
    local: {type: duckdb, path: shop.duckdb, threads: 1}
"""
PROJECT = """
name: shop
profile: shop
version: 1.0.0
flags: {send_anonymous_usage_stats: false}
"""
HEADER = Header(model="delay:3", digest="0" * 64, certified_rows=12, certified_routes=("kernel",))
ROWS = pa.table({"id": [1, 2, 3], "distance": [1.0, None, 7e9], "{{ carrier }}": ["UA", None, ODD]})


@pytest.fixture
def odd(made):
    """Make a model whose names and labels would be tags of Jinja."""
    model = made.forest()
    name = "{{ carrier }}"
    lookup = replace(model.steps[0], inputs=(name,), outputs=("code",), keys=("UA", ODD, "x"))
    forest = replace(model.steps[1], inputs=("distance", "code"))
    signature = Signature((Column("distance", ColumnType.DOUBLE), Column(name, ColumnType.VARCHAR)))
    outputs = Outputs(("label",), ("{% if %}", ODD), ("negative", "positive"), ("margin",))
    return Bundle(Model(signature, (lookup, forest, *model.steps[2:]), outputs), {"name": "delay"})


@pytest.fixture
def project(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "profiles.yml").write_text(PROFILE)
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "models" / "flights.sql").write_text("select * from 'flights.parquet'\n")
    import pyarrow.parquet as pq

    pq.write_table(ROWS, tmp_path / "flights.parquet")
    return tmp_path


def build(project):
    done = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", "build", "--profiles-dir", "."],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dbt_builds_what_was_compiled(odd, project, monkeypatch, leaves):  # noqa: ARG001 - a strategy
    monkeypatch.chdir(project)
    options = {"source": "flights", "keep": ["id", "{{ carrier }}"]}
    files = foresql.compile_files(
        odd, "duckdb", project, form="dbt", strategy="leaves", name="in_tables", **options
    )
    assert [path.parent.name for path in files] == ["models", "models", "seeds"]
    foresql.compile_files(odd, "duckdb", project / "models", form="dbt", **options)
    printed = build(project)
    assert "PASS=8 WARN=0 ERROR=0" in printed, printed
    assert "eprecat" not in printed, printed
    plain = foresql.compile_sql(odd, "duckdb", **options)
    compiled = project / "target/compiled/shop/models/score_delay.sql"
    with duckdb.connect(project / "shop.duckdb") as connection:
        expected = connection.sql(plain).fetchall()
        assert expected[2][2] in {"{% if %}", ODD}
        for name in ("score_delay", "in_tables"):
            assert connection.sql(f"FROM {name} ORDER BY id").fetchall() == sorted(expected)
    rendered = compiled.read_bytes().decode().replace('"shop"."main"."flights"', "flights")
    assert rendered.strip() == plain
    manifest = json.loads((project / "target/manifest.json").read_text())
    node = manifest["nodes"]["model.shop.score_delay"]
    assert node["config"]["meta"]["foresql"]["model"] == "delay"
    assert len(node["config"]["meta"]["foresql"]["sha256"]) == 64
    assert [*node["columns"]] == ["id", "{{ carrier }}", "prediction", "probability", "margin"]
    assert repr(ODD) in node["columns"]["probability"]["description"]


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("flights", "{{ ref('flights') }}"),
        ("shop.flights", "{{ source('shop', 'flights') }}"),
        ("ref('flights')", "{{ ref('flights') }}"),
        ("{{ source('shop', 'flights') }}", "{{ source('shop', 'flights') }}"),
        ("ref('package', 'flights')", "{{ ref('package', 'flights') }}"),
    ],
)
def test_a_relation_is_a_ref_or_a_source(odd, source, written):
    text = foresql.compile_sql(odd, "snowflake", form="dbt", source=source, keep=["id"])
    assert text.count("FROM {{") == 1
    assert f"FROM {written}\n" in text


@pytest.mark.parametrize("source", [None, "", "ref(flights)", "a b", "x'); drop table x", "a.b.c"])
def test_what_is_no_relation_is_refused(odd, source):
    with pytest.raises(UnsupportedModelError, match="ref\\('flights'\\)"):
        foresql.compile_sql(odd, "duckdb", form="dbt", source=source)


def test_a_model_of_dbt_has_a_plain_name(odd):
    with pytest.raises(UnsupportedModelError, match="letters, digits and underscores"):
        foresql.compile_sql(odd, "duckdb", form="dbt", source="t", name="a b")


def test_many_rows_are_sources(made, monkeypatch, leaves):  # noqa: ARG001 - a strategy
    monkeypatch.setattr(dbt, "LOADED_AT_ONCE", 7)
    statement = Statement(form="dbt", name="scored", source="t", strategy="leaves")
    written = write_dbt(made.forest(), target_of("duckdb"), statement, HEADER)
    assert written.seeds == ()
    (table,) = written.sources
    assert f"{{{{ source('foresql', '{table.name}') }}}}" in written.sql
    properties = yaml.safe_load(written.properties)
    assert properties["sources"][0]["tables"][0]["name"] == table.name
    meta = properties["models"][0]["config"]["meta"]["foresql"]
    assert meta == {
        "model": "delay",
        "version": 3,
        "sha256": "0" * 64,
        "certified_rows": 12,
        "certified_routes": ["kernel"],
        "target": "duckdb",
        "strategies": ["leaves"],
    }


def test_tables_need_files(odd, leaves):  # noqa: ARG001 - a strategy
    with pytest.raises(UnsupportedModelError, match="--output FOLDER"):
        foresql.compile_sql(odd, "duckdb", form="dbt", source="t", strategy="leaves")


def test_what_is_there_is_not_replaced(odd, project):
    options = {"form": "dbt", "source": "flights"}
    (project / "models" / "score_delay.yml").write_text("mine")
    with pytest.raises(ForesqlError, match=r"score_delay\.yml exists. Give --overwrite"):
        foresql.compile_files(odd, "duckdb", project, **options)
    assert not (project / "models" / "score_delay.sql").exists()
    foresql.compile_files(odd, "duckdb", project / "models", overwrite=True, **options)
    with pytest.raises(ForesqlError, match="in no dbt project"):
        foresql.compile_files(odd, "duckdb", project.parent / "elsewhere", **options)


@pytest.mark.parametrize("text", [ODD, "{", "{{", "a{%b", "\r", "{{ '{{' }}", "#}{#", "\x85\u2028"])
def test_texts_survive_jinja_and_yaml(text):
    rendered = jinja2.Environment(autoescape=False).from_string(f"{escaped_jinja(text)}.").render()  # noqa: S701 - as dbt does
    assert rendered == f"{text}."
    assert yaml.safe_load(f"a: {yaml_text(text)}") == {"a": text}
