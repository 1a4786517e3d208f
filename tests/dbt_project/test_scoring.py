"""`delay_predictions` scores what is stale, all of it, and nothing else."""

from foresql import Registry

PREDICTIONS = "select flight_id, late_probability, predicted_late from delay_predictions"


NODE = "model.foresql_flights.delay_predictions"


def scored_in(project, run):
    """Give the flights that a run scored, as many as the run log says."""
    flights = {
        flight
        for (flight,) in project.query(
            "select flight_id from delay_predictions where run_id = ?", run.invocation_id
        )
    }
    assert rows_logged(project, run.invocation_id) == len(flights)
    return flights


def rows_logged(project, run_id):
    """Read the run log: how many rows of the predictions a run scored."""
    logged = "select status, rows_scored from foresql.run_tables where run_id = ? and node = ?"
    [(status, rows)] = project.query(logged, run_id, NODE)
    assert status == "success"
    assert project.query("select status from foresql.runs where run_id = ?", run_id) == [(status,)]
    return rows


def test_a_build_from_zero_scores_all_and_the_next_one_nothing(project, demo_run):
    # The demo's own runs: before the models are trained, after that, and once more.
    runs = project.query(
        "select run_id, status, command, rows_scored, nodes_failed "
        "from foresql.runs order by started_at"
    )
    assert [run[1:] for run in runs] == [
        ("success", "build", 0, 0),
        ("success", "build", demo_run.flights, 0),
        ("success", "build", 0, 0),
    ]
    assert [rows_logged(project, run_id) for run_id, *_ in runs[1:]] == [demo_run.flights, 0]


def test_changed_rows_are_scored_and_no_others(project):
    changed = project.query(
        """
        update raw.flights set distance = distance + 1 where rowid in (
            select rowid from raw.flights order by hash(rowid) limit 1000
        )
        returning concat(carrier, flight, '-', strftime(time_hour, '%Y-%m-%dT%H'))
        """
    )
    assert len(changed) == 1000
    run = project.build()
    assert scored_in(project, run) == {flight for (flight,) in changed}
    log = (project.workspace.logs / "test.log").read_text()
    assert "delay_predictions: scored 1,000 of" in log


def test_new_and_deleted_flights_come_and_go(project):
    before = dict(project.query("select flight_id, features_hash from flight_features"))
    project.query("delete from raw.flights where month = 2 and day = 1 and hour = 6")
    project.query(
        """
        insert into raw.flights
        select * replace (9000 + flight as flight, null as tailnum)
        from raw.flights where month = 4 and day = 2 and hour = 7 and carrier = 'UA'
        """
    )
    run = project.build("--selector", "predictions_hourly")
    assert not [name for name in run.node_seconds if name.startswith(("unit_test.", "snapshot."))]
    assert "model.foresql_flights.delay_by_route_hour" in run.node_seconds
    after = dict(project.query("select flight_id, features_hash from flight_features"))
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    assert gone
    assert new
    assert {flight for (flight, *_) in project.query(PREDICTIONS)} == after.keys()
    # Neighbours of both are scored too where a count or mean that they see has changed.
    changed = {flight for flight in before.keys() & after.keys() if before[flight] != after[flight]}
    assert scored_in(project, run) == new | changed


def test_another_champion_scores_all_and_rollback_brings_its_answers_back(project):
    before = project.query(f"{PREDICTIONS} order by all")
    (challenger,) = project.query("select distinct model_version + 1 from delay_predictions")[0]
    registry = Registry(project.workspace.registry)

    registry.move_alias("delay", "champion", challenger, expected=challenger - 1)
    run = project.build()
    promoted = project.query(f"{PREDICTIONS} order by all")
    assert scored_in(project, run) == {flight for (flight, *_) in before}
    assert project.query("select distinct model_version from delay_predictions") == [(challenger,)]
    assert promoted != before

    registry.rollback("delay", "champion")
    run = project.build()
    assert scored_in(project, run) == {flight for (flight, *_) in before}
    assert project.query(f"{PREDICTIONS} order by all") == before

    # Both builds kept the history: what the challenger said is over, what the champion says is not.
    assert project.query(
        "select model_version, dbt_valid_to is null, count(distinct flight_id), count(*) "
        "from delay_predictions_history group by all order by all"
    ) == [
        (challenger - 1, True, len(before), len(before)),
        (challenger, False, len(before), len(before)),
    ]


def test_the_challenger_scores_into_its_own_table(project):
    run = project.build(
        "--vars", "score_challenger: true", "--select", "delay_challenger_predictions"
    )
    flights = len(project.query(PREDICTIONS))
    assert project.query(
        "select count(*), count(distinct model_version) from delay_challenger_predictions"
    ) == [(flights, 1)]
    # The champion's table is not of this run, which scored the other one alone.
    assert project.query(
        "select node, rows_scored from foresql.run_tables where run_id = ?", run.invocation_id
    ) == [(NODE.replace("delay_", "delay_challenger_"), flights)]
    scored = "select count(*) from delay_predictions where run_id = ?"
    assert project.query(scored, run.invocation_id) == [(0,)]
