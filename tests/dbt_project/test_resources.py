"""What stands around the models: freshness, constraints, metrics, selectors."""

import json

import duckdb
import pytest
import yaml

from foresql.demo import DemoError
from foresql.demo.dbt_command import run_dbt
from foresql.demo.workspace import SHIPPED_PROJECT

METRICS = yaml.safe_load((SHIPPED_PROJECT / "models/marts/_metrics.yml").read_text())
SELECTORS = yaml.safe_load((SHIPPED_PROJECT / "selectors.yml").read_text())


def test_freshness_is_that_of_the_last_load(project):
    project.query(
        """
        update raw.loads set loaded_at = case table_name
            when 'flights' then loaded_at - interval 2 days
            when 'weather' then loaded_at - interval 8 days
        end
        """
    )
    with pytest.raises(DemoError, match=r"ERROR STALE freshness of raw\.weather"):
        run_dbt(project.workspace, "freshness", "source", "freshness")
    found = json.loads((project.workspace.project / "target/sources.json").read_text())
    assert {each["unique_id"].split(".")[-1]: each["status"] for each in found["results"]} == {
        "flights": "warn",
        "weather": "error",
    }


@pytest.mark.parametrize(
    "statement",
    [
        "insert into {0} from {0} limit 1",
        "update {0} set flight_id = null",
    ],
)
@pytest.mark.parametrize(
    "table",
    [
        "flight_features",
        "flight_outcomes",
        "delay_predictions",
        "scored_flights",
        "riskiest_flights",
    ],
)
def test_the_database_itself_keeps_the_key(project, table, statement):
    with pytest.raises(duckdb.ConstraintException):
        project.query(statement.format(table))


def test_marts_agree_with_the_predictions(project):
    assert project.query(
        """
        select count(*), count(*) filter (late_probability is distinct from (
            select late_probability from delay_predictions as p where p.flight_id = m.flight_id
        ))
        from scored_flights as m
        """
    ) == project.query("select count(*), 0 from delay_predictions")
    assert project.query(
        """
        select count(*), count(*) filter (late_probability is distinct from (
            select late_probability from delay_predictions as p where p.flight_id = m.flight_id
        ))
        from riskiest_flights as m
        """
    ) == project.query("select count(*), 0 from riskiest_flights")
    ranks = project.query(
        "select max(risk_rank), count(distinct late_probability) from riskiest_flights"
    )
    assert ranks == [(100, 100)]


def test_metrics_can_be_computed(project):
    """What the semantic layer would ask of the table: every dimension, measure and time grain."""
    (model,) = METRICS["semantic_models"]
    dimensions = [each.get("expr", each["name"]) for each in model["dimensions"]]
    measures = {each["name"]: f"{each['agg']}({each['expr']})" for each in model["measures"]}
    listed = ", ".join(f"{sql} as {name}" for name, sql in measures.items())
    ((*found,),) = project.query(f"select {listed} from scored_flights")
    assert project.query(f"select {', '.join(dimensions)} from scored_flights limit 1")
    figures = dict(zip(measures, found, strict=True))
    expected = project.query(
        "select sum(flights), sum(flights * predicted_late_share), sum(arrived_flights), "
        "sum(arrived_flights * actual_late_share) from delay_by_route_hour"
    )
    assert list(figures.values()) == pytest.approx(expected[0])
    days = project.query("select count(*), min(date_day), max(date_day) from days")
    assert str(days) == str(project.query("select 365, date '2013-01-01', date '2013-12-31'"))
    for metric in METRICS["metrics"]:
        used = metric["type_params"].values()
        assert set(used) <= {*measures, *(each["name"] for each in METRICS["metrics"])}


def test_each_selector_says_what_it_is_for():
    assert {each["name"] for each in SELECTORS["selectors"]} == {
        "predictions_hourly",
        "nightly",
        "before_training",
    }
    assert all(each["description"] for each in SELECTORS["selectors"])
