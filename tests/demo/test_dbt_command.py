import pytest

from foresql.demo import DemoError
from foresql.demo.dbt_command import FINISHED_NODE, run_dbt
from foresql.demo.workspace import open_workspace


def test_a_failure_shows_what_dbt_printed(tmp_path):
    workspace = open_workspace(tmp_path)
    with pytest.raises(
        DemoError, match=r"(?s)dbt nonsense failed .*nonsense\.log.*No such command"
    ):
        run_dbt(workspace, "nonsense", "nonsense")


@pytest.mark.parametrize(
    ("line", "finished"),
    [
        ("16:14:19  11 of 59 OK created sql view model main.stg_flights .. [OK in 0.41s]", True),
        ("16:14:19  4 of 59 PASS source_not_null_raw_flights_flight .... [PASS in 0.12s]", True),
        ("16:14:19  4 of 59 START test source_not_null_raw_flights_flight ........ [RUN]", False),
        ("16:14:24  delay_predictions: scored 336776 of 336776 rows", False),
    ],
)
def test_finished_nodes_are_counted(line, finished):
    assert bool(FINISHED_NODE.match(line)) is finished
