"""`delay_predictions` scores what is stale, all of it, and nothing else."""

from foresql import Registry

PREDICTIONS = "select flight_id, late_probability, predicted_late from delay_predictions"


def scored_in(project, run):
    return {
        flight
        for (flight,) in project.query(
            "select flight_id from delay_predictions where run_id = ?", run.invocation_id
        )
    }


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
    run = project.build("--select", "+delay_predictions")
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


def test_the_challenger_scores_into_its_own_table(project):
    run = project.build(
        "--vars", "score_challenger: true", "--select", "delay_challenger_predictions"
    )
    assert not scored_in(project, run)
    assert project.query(
        "select count(*), count(distinct model_version) from delay_challenger_predictions"
    ) == [(len(project.query(PREDICTIONS)), 1)]
