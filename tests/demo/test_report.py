from io import StringIO

import duckdb
import pytest
from rich.console import Console

from foresql.demo.closing import NEXT_COMMANDS, print_figures, print_next_commands
from foresql.demo.report import QUESTIONS, Answer, print_answers
from foresql.demo.workspace import Workspace

ROWS = {
    "airline": [("JetBlue Airways", 1200, 0.25, 0.5)],
    "airport": [("La Guardia", 1200, 0.25, 0.5)],
    "hour": [(6, 600, 0.125, 0.25), (18, 600, 0.375, 0.75)],
}


@pytest.fixture
def console():
    return Console(file=StringIO(), width=100)


def test_answers_are_tables_and_bars(console):
    print_answers(console, {name: Answer(name, QUESTIONS[name], ROWS[name], 0.1) for name in ROWS})
    printed = console.file.getvalue()
    assert "avg(predict_proba_delay(f))" in printed
    assert "JetBlue Airways" in printed
    assert "25.0%" in printed
    longest = max(line.count("█") for line in printed.splitlines())
    evening = next(line for line in printed.splitlines() if line.lstrip().startswith("18"))
    assert evening.count("█") == longest > 0


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_queries_are_sql(name):
    assert len(duckdb.extract_statements(QUESTIONS[name].sql)) == 1


def test_next_commands_fit_the_current_folder(console, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    print_next_commands(console, Workspace(tmp_path / "foresql_demo"))
    printed = console.file.getvalue()
    assert len(NEXT_COMMANDS) == 4
    assert "--database foresql_demo/flights.duckdb --registry foresql_demo/registry\n" in printed
    assert str(tmp_path) not in printed


def test_figures_are_printed(console):
    model = {"alias": "champion", "kind": "LightGBM", "reference": "delay:1", "auc": 0.7275}
    certificate = {"certificate_rows": 12_345, "largest_difference": 0.0}
    scoring = {"rows": 10, "seconds": 0.5, "rows_per_second": 20, "rows_second_build": 0}
    print_figures(console, {"models": [model | certificate], "scoring": scoring, "seconds": 41.6})
    printed = console.file.getvalue()
    assert "delay:1, AUC 0.7275" in printed
    assert "12,345 rows" in printed
    assert "42 s" in printed
