"""The figures of a report against scikit-learn and the tables, and what cannot be reported."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from children import child
from click.testing import CliRunner
from monitored_shop import FEATURES, ROWS
from sklearn.metrics import brier_score_loss, mean_absolute_error, r2_score, roc_auc_score

from foresql.cli import main
from foresql.monitoring import MonitoringError, Wishes, make_report, write_page
from foresql.monitoring.page import GENERATOR


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["report", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def bought(shops):
    return shops.report()


def test_everything_is_found_in_the_database(bought):
    assert bought.sources == {
        "predictions": "bought_predictions",
        "features": "features",
        "key": "customer_id",
        "score": "bought_probability",
        "outcome": "outcomes.has_bought",
        "time": "features.day",
        "mart": "",
    }
    assert bought.reference == "day before 2025-08-13, about the earliest 75%"
    assert bought.counts["rows"] == bought.counts["outcomes"] == ROWS
    assert bought.counts["reference"] + bought.counts["now"] == ROWS
    assert [each.dimensions for each in bought.breakdowns] == [("plan",)]


def test_metrics_are_those_of_scikit_learn(shops, bought):
    rows = shops.query(
        "SELECT has_bought, bought_probability FROM bought_predictions JOIN outcomes "
        "USING (customer_id) JOIN features USING (customer_id) WHERE day >= '2025-08-13'"
    )
    truth, score = map(np.array, zip(*rows, strict=True))
    now = bought.metrics["now"]
    assert now["rows"] == len(rows)
    assert now["auc"] == pytest.approx(roc_auc_score(truth, score), rel=1e-12)
    assert now["brier"] == pytest.approx(brier_score_loss(truth, score), rel=1e-12)
    assert now["accuracy"] == pytest.approx(((score >= 0.5) == truth).mean(), rel=1e-12)
    assert sum(each["rows"] for each in bought.calibration) == ROWS
    assert sum(each["scored"] for each in bought.over_time) == ROWS
    assert all(each["low"] <= each["actual"] <= each["high"] for each in bought.calibration)


def test_ties_count_half(shop):
    shop.execute("UPDATE bought_predictions SET bought_probability = round(bought_probability, 1)")
    rows = shop.query(
        "SELECT has_bought, bought_probability FROM bought_predictions JOIN outcomes "
        "USING (customer_id) JOIN features USING (customer_id) WHERE day >= '2025-08-13'"
    )
    report = shop.report()
    assert report.metrics["now"]["auc"] == pytest.approx(roc_auc_score(*zip(*rows, strict=True)))
    tenths = [each["tenth"] for each in report.calibration if each["side"] == "now"]
    assert len(tenths) == len(set(tenths)) < 10


def test_values(shops):
    report = shops.report("spent")
    rows = shops.query(
        "SELECT spent, predicted_spent FROM spent_predictions JOIN outcomes USING (customer_id) "
        "JOIN features USING (customer_id) WHERE day >= '2025-08-13'"
    )
    truth, score = map(np.array, zip(*rows, strict=True))
    now = report.metrics["now"]
    assert report.card.task == "value"
    assert report.sources["outcome"] == "outcomes.spent"
    assert now["mae"] == pytest.approx(mean_absolute_error(truth, score), rel=1e-12)
    assert now["r2"] == pytest.approx(r2_score(truth, score), rel=1e-9)
    assert sum(each["share_now"] for each in report.spread) == pytest.approx(1)


def test_classes(shops):
    report = shops.report("segment")
    rows = shops.query(
        "SELECT segment = predicted_segment FROM segment_predictions JOIN outcomes "
        "USING (customer_id) JOIN features USING (customer_id) WHERE day >= '2025-08-13'"
    )
    assert report.card.task == "classes"
    assert report.metrics["now"]["accuracy"] == pytest.approx(np.mean(rows))
    assert {each["label"] for each in report.spread} == {"rich", "old", "young"}


@pytest.mark.parametrize("outcome", ["BOOLEAN", "INTEGER", "DOUBLE", "FLOAT", "DECIMAL(5, 2)"])
@pytest.mark.parametrize("label", ["BOOLEAN", "BIGINT"])
def test_a_class_is_the_same_in_any_type(shop, label, outcome):
    shop.execute(
        "ALTER TABLE bought_predictions DROP bought_probability",
        f"ALTER TABLE bought_predictions ALTER predicted_bought TYPE {label} "
        f"USING predicted_bought::INTEGER::{label}",
        f"ALTER TABLE outcomes ALTER has_bought TYPE {outcome} "
        f"USING has_bought::INTEGER::{outcome}",
    )
    if outcome == "DOUBLE":
        shop.execute("UPDATE outcomes SET has_bought = 'nan' WHERE customer_id = 'c2999'")
    report = shop.report(outcome="outcomes.has_bought")
    rows = shop.query(
        "SELECT predicted_bought::INTEGER = has_bought::INTEGER FROM bought_predictions "
        "JOIN outcomes USING (customer_id) JOIN features USING (customer_id) "
        "WHERE day >= '2025-08-13' AND NOT isnan(has_bought::DOUBLE)"
    )
    assert report.card.task == "classes"
    assert report.metrics["now"]["rows"] == len(rows)
    assert report.metrics["now"]["accuracy"] == pytest.approx(np.mean(rows))


def test_groups_are_those_of_the_rows(shops):
    report = shops.report(by=("plan",))
    groups = {each["group"]: each for each in report.breakdowns[0].groups}
    found = shops.query(
        "SELECT plan, count(*), avg(bought_probability), avg(has_bought::INTEGER) FROM features "
        "JOIN outcomes USING (customer_id) JOIN bought_predictions USING (customer_id) "
        "WHERE day >= '2025-08-13' GROUP BY ALL"
    )
    assert set(groups) == {"basic", "plus", "pro"}
    for plan, rows, expected, actual in found:
        assert groups[plan]["rows"] == rows
        assert groups[plan]["expected"] == pytest.approx(expected)
        assert groups[plan]["actual"] == pytest.approx(actual)


def test_means_of_a_mart_are_weighted(shop):
    shop.execute(
        "DELETE FROM outcomes WHERE hash(customer_id) % 3 = 0",
        "CREATE TABLE mart AS SELECT plan, plan || ' plan' AS plan_name, month(day) AS month, "
        "count(*) AS customers, count(has_bought) AS known, avg(bought_probability) AS "
        "expected_share, avg(has_bought::INTEGER) AS actual_share FROM bought_predictions JOIN "
        "features USING (customer_id) LEFT JOIN outcomes USING (customer_id) GROUP BY ALL",
    )
    report = shop.report()
    assert report.mart == "mart"
    shape = report.mart_shape
    assert (shape.expected_rows, shape.actual_rows) == ("customers", "known")
    assert [each.dimensions for each in report.mart_breakdowns] == [("plan_name",), ("month",)]
    assert report.mart_breakdowns[1].is_ordered
    found = shop.query(
        "SELECT plan || ' plan', count(*), avg(bought_probability), avg(has_bought::INTEGER) "
        "FROM features LEFT JOIN outcomes USING (customer_id) JOIN bought_predictions "
        "USING (customer_id) GROUP BY ALL"
    )
    groups = {each["group"]: each for each in report.mart_breakdowns[0].groups}
    for plan, rows, expected, actual in found:
        assert groups[plan]["rows"] == rows
        assert groups[plan]["expected"] == pytest.approx(expected)
        assert groups[plan]["actual"] == pytest.approx(actual)


@pytest.mark.parametrize(
    ("reference", "rows"), [("0.5", 1490), ("50%", 1490), ("age < 40 AND plan = 'pro'", None)]
)
def test_reference(shops, reference, rows):
    counts = shops.report(reference=reference).counts
    where = reference if rows is None else "day < '2025-05-30'"
    (expected,) = shops.query(f"SELECT count(*) FROM features WHERE {where}")[0]
    assert counts["reference"] == expected == (rows or expected)


def test_card_says_which_categories_are_new(shop, moved):
    shop.execute("UPDATE features SET plan = 'gold' WHERE hash(customer_id) % 10 = 0")
    # The reference has it too, but the model was not trained on it.
    assert moved(shop.report(reference="0.5"))["plan"]["new_share"] == pytest.approx(0.1, abs=0.03)
    assert moved(shop.report(reference="0.5"))["plan"]["new_values"] == "gold"
    shop.execute("UPDATE features SET plan = 'silver' WHERE day > '2025-09-01'")
    assert moved(shop.report())["plan"]["status"] == "shifted"


def test_the_largest_index_says_whose_it_is(shop):
    shop.execute(
        "UPDATE bought_predictions SET bought_probability = bought_probability * 0.01 "
        "WHERE customer_id IN (SELECT customer_id FROM features "
        "WHERE day > (SELECT quantile_disc(day, 0.75) FROM features))"
    )
    report = shop.report()
    (answer,) = report.answers.columns.to_pylist()
    assert report.worst == (answer["psi"], "of the predictions")
    assert answer["psi"] > max(each["psi"] for each in report.features.columns.to_pylist())


def test_quality_is_counted(shop):
    shop.execute(
        "UPDATE bought_predictions SET bought_probability = CASE customer_id WHEN 'c1' THEN NULL "
        "WHEN 'c2' THEN 'nan' WHEN 'c3' THEN 'inf' WHEN 'c4' THEN 1.5 ELSE bought_probability END",
        "UPDATE bought_predictions SET model_version = 7 WHERE customer_id IN ('c5', 'c6')",
        "INSERT INTO bought_predictions FROM bought_predictions WHERE customer_id = 'c7'",
        "DELETE FROM bought_predictions WHERE customer_id = 'c8'",
        "DELETE FROM features WHERE customer_id IN ('c9', 'c10', 'c11')",
    )
    report = shop.report()
    assert [each.failing for each in report.checks] == [3, 1, 2, 1, 1, 3]
    assert report.findings[0].level.name == "WATCH"
    assert report.metrics["now"]["auc"] is not None


def test_one_class_only(shop):
    shop.execute("UPDATE outcomes SET has_bought = true")
    report = shop.report()
    assert report.metrics["now"]["auc"] is None
    assert any("are the same" in each.text for each in report.findings)


@pytest.mark.parametrize("table", ["bought_predictions", "features", "outcomes"])
def test_empty_tables(shop, table):
    shop.execute(f"DELETE FROM {table}")
    report = shop.report()
    assert json.loads(json.dumps(report.as_dict(), default=str))
    assert bool(report.metrics) == (table == "features")
    assert report.counts["rows"] == (0 if table == "bought_predictions" else ROWS)


def test_one_row(shop):
    for table in ("bought_predictions", "features", "outcomes"):
        shop.execute(f"DELETE FROM {table} WHERE customer_id <> 'c1'")
    report = shop.report()
    assert report.counts["rows"] == 1
    assert {each["status"] for each in report.features.columns.to_pylist()} == {"too few rows"}


def test_without_features_time_and_outcome(shop):
    shop.execute("DROP TABLE features", "DROP TABLE outcomes")
    report = shop.report()
    assert (report.reference, report.metrics, report.over_time) == ("", {}, [])
    assert sum(each["share_now"] for each in report.spread) == pytest.approx(1)


def test_runs_are_read_from_the_run_log(shop):
    shop.execute(
        "CREATE SCHEMA foresql",
        "CREATE TABLE foresql.runs AS SELECT 'r' || range AS run_id, TIMESTAMP '2025-10-01' + "
        "to_days(range::INTEGER) AS started_at, 'success' AS status, 4.5 AS seconds FROM range(20)",
        "CREATE TABLE foresql.run_tables AS SELECT run_id, "
        """'"shop"."main"."bought_predictions"' AS relation, 'bought' AS model_name, """
        "1 AS model_version, 10 AS rows_scored FROM foresql.runs",
        "INSERT INTO foresql.run_tables SELECT run_id, 'shop.main.other', 'bought', 1, 99 "
        "FROM foresql.runs",
    )
    history = shop.report().history
    assert "foresql.run_tables" in history.source
    assert [each["run_id"] for each in history.runs] == [f"r{n}" for n in range(19, 4, -1)]
    assert {each["rows_scored"] for each in history.runs} == {10}


def test_runs_are_else_those_of_the_predictions(bought):
    assert bought.history.runs == [
        {
            "run_id": "run-1",
            "started_at": datetime(2025, 11, 1, 6, 0),  # noqa: DTZ001 - as DuckDB gives it
            "model_version": 1,
            "rows_scored": ROWS,
        }
    ]


WRONG = [
    ({"predictions": "nowhere"}, "There is no table 'nowhere'"),
    ({"features": "feature"}, "Did you mean 'features'"),
    ({"score": "x"}, "bought_predictions has no column 'x'"),
    ({"outcome": "outcomes.x"}, "outcomes has no column 'x'"),
    ({"time": "features.age"}, "is DOUBLE; --time takes a date"),
    ({"by": ("x",)}, "--by names 'x'"),
    ({"mart": "features"}, "has no column of what was expected"),
    ({"reference": "weight < 3"}, "--reference 'weight < 3' cannot be used"),
    ({"reference": "1.5"}, "no share of the rows"),
    ({"reference": "day < "}, "is no condition"),
    ({"key": ("plan",)}, "has no column 'plan'"),
]


@pytest.mark.parametrize(("wishes", "message"), WRONG)
def test_what_is_not_there_is_named(shops, wishes, message):
    with pytest.raises(MonitoringError, match=message):
        shops.report(**wishes)


def test_a_key_that_stands_twice_is_refused(shop):
    shop.execute("INSERT INTO features FROM features LIMIT 1")
    with pytest.raises(MonitoringError, match="customer_id is no key of features"):
        shop.report()


def test_hostile_names_are_quoted(shop):
    shop.execute(
        'CREATE SCHEMA "a""b"',
        'CREATE TABLE "a""b"."t; DROP TABLE x" AS SELECT customer_id AS "k\'""ey", '
        'bought_probability AS "p\'rob", model_name, model_version FROM bought_predictions',
        'CREATE TABLE "a""b"."f" AS SELECT customer_id AS "k\'""ey", * FROM features',
        "DROP TABLE bought_predictions",
        "DROP TABLE features",
    )
    report = shop.report(predictions='a"b.t; DROP TABLE x', key=("k'\"ey",), score="p'rob")
    assert report.counts["rows"] == ROWS
    assert len(report.features.columns) == len(FEATURES)


def test_the_database_is_left_as_it_is(shop):
    before = shop.database.read_bytes()
    shop.report()
    assert shop.database.read_bytes() == before
    assert sorted(path.name for path in shop.folder.iterdir()) == ["registry", "shop.duckdb"]


def test_who_holds_the_lock_is_said(shop):
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    with child(
        [sys.executable, "-c", script, str(shop.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(MonitoringError, match=f"process {writer.pid}"):
            shop.report()
        writer.communicate("\n")


def test_no_database(tmp_path, shops):
    with pytest.raises(MonitoringError, match="There is no database file"):
        make_report("bought@champion", tmp_path / "x.duckdb", registry=shops.registry)


def test_command_prints_figures_and_fails_on_drift(shop, tmp_path):
    options = ("bought@champion", "--database", shop.database)
    figures = json.loads(run(*options, "--json", "--fail-on-drift").stdout)
    assert figures["counts"]["rows"] == ROWS
    assert figures["drift"]["worst"] < 0.1
    assert not list(tmp_path.glob("*.html"))
    shop.execute("UPDATE features SET age = age + 40 WHERE day >= '2025-08-13'")
    figures = json.loads(run(*options, "--json", "--fail-on-drift", code=4).stdout)
    assert figures["drift"]["features"][0]["column_name"] == "age"
    assert figures["findings"][0]["level"] == "ACT"
    run(*options, "--json")
    run(*options, "--json", "--fail-on-drift", "--threshold", "50")


def test_same_input_same_figures(shops):
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    first, second = (
        make_report(
            "bought@champion", shops.database, registry=shops.registry, made_at=made_at
        ).as_dict()
        for _ in range(2)
    )
    assert first == second


def test_command_says_what_is_wrong(shop):
    result = run("bought@champion", "--database", shop.database, "--mart", "x", "--json", code=1)
    assert "There is no table 'x'" in json.loads(result.stdout)["error"]["message"]
    run("bought@champion", code=2)


def test_a_file_that_is_no_report_is_left(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(MonitoringError, match="is no report"):
        write_page("new", path)
    assert path.read_text() == "mine"
    write_page(f"<!DOCTYPE html>{GENERATOR}", path, overwrite=True)
    write_page("third", path)
    assert path.read_text() == "third"
    with pytest.raises(MonitoringError, match="is a folder"):
        write_page("x", tmp_path)
    with pytest.raises(MonitoringError, match="cannot be written"):
        write_page("x", tmp_path / "none" / "page.html")
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_a_bundle_without_a_registry(shops):
    bundle = next(shops.registry.rglob("*.foresql"))
    name = json.loads(CliRunner().invoke(main, ["show", str(bundle), "--json"]).stdout)["name"]
    report = make_report(str(bundle), shops.database, wishes=Wishes())
    assert (report.card.name, report.card.version) == (name, None)


def test_rows_of_one_moment_stay_together_and_the_share_says_so(shop):
    shop.execute(
        "UPDATE features SET day = CASE WHEN day < DATE '2025-05-30' THEN "
        "DATE '2025-01-01' ELSE DATE '2025-06-01' END"
    )
    report = shop.report(reference="75%")
    assert report.reference == "day before 2025-06-01, about the earliest 50%"
    assert report.counts["reference"] == report.counts["rows"] - report.counts["now"]
