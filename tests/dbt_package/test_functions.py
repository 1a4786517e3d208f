"""`functions:` of dbt in DuckDB: SQL ones are macros of the file, Python ones are refused."""

import duckdb
import pytest
from dbt_shop import open_shop

DISPATCH = """
dispatch:
  - macro_namespace: dbt
    search_order: [shop, foresql, dbt]
"""
PROPERTIES = """
functions:
  - name: Margin
    arguments:
      - {name: price, data_type: double}
      - {name: "order", data_type: double}
      - {name: share, data_type: double, default_value: 2}
    returns: {data_type: double}
  - name: spread
    config: {type: aggregate}
    arguments: [{name: value, data_type: double}]
    returns: {data_type: integer}
"""
PYTHON = """
functions:
  - name: weekday
    config: {runtime_version: "3.11", entry_point: main}
    arguments: [{name: value, data_type: double}]
    returns: {data_type: double}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = open_shop(tmp_path_factory.mktemp("functions"), tmp_path_factory.mktemp("none"), {})
    shop.put("dbt_project.yml", (shop.folder / "dbt_project.yml").read_text() + DISPATCH)
    shop.put("functions/functions.yml", PROPERTIES)
    shop.put("functions/Margin.sql", '(price - "order") * share / 2 -- of one piece')
    shop.put("functions/spread.sql", "max(value) - min(value)")
    shop.write(
        models__margins="{{ config(materialized='table') }}\n"
        "select {{ function('Margin') }}(5, x) as margin from (values (1), (3)) as t(x)",
        models__spreads="select {{ function('spread') }}(margin) as s from {{ ref('margins') }}",
    )
    shop.run("build")
    return shop


def test_a_model_calls_it_and_so_does_any_client(shop):
    assert shop.sql("from margins order by margin") == [(2.0,), (4.0,)]
    assert shop.sql("from spreads") == [(2,)]
    with duckdb.connect(shop.database, read_only=True) as another:
        assert another.sql("select main.Margin(5, 1.5)").fetchall() == [(3.5,)]


def test_built_again_it_is_replaced(shop):
    shop.put("functions/Margin.sql", 'select (price - "order") * 10')
    shop.run("build", "--select", "Margin+")
    assert shop.sql("from margins order by margin") == [(20.0,), (40.0,)]


def test_python_is_refused_with_the_way_out(shop):
    shop.put("functions/more.yml", PYTHON)
    shop.put("functions/weekday.py", "def main(value):\n    return value")
    told = shop.fail("build", "--select", "weekday")
    assert "The function weekday is Python, and DuckDB keeps no Python in a database." in told
    assert "write it in SQL" in told
