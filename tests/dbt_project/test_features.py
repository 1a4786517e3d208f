"""What `flight_features` may know: nothing that happens after its hour begins."""

import duckdb
import pytest

from foresql.demo.flights import load_flights


def test_the_key_is_unique_on_all_flights(project, tmp_path):
    database = tmp_path / "all.duckdb"
    load_flights(database)
    with duckdb.connect(database) as connection:
        staged = project.compiled("stg_flights").replace('"flights".', '"all".')
        assert connection.execute(
            f"select count(*), count(distinct flight_id), count(flight_id) from ({staged})"
        ).fetchone() == (336_776, 336_776, 336_776)


@pytest.mark.parametrize(
    "instant",
    [
        "2013-01-02 11:00",  # 6 in the morning, local time
        "2013-02-02 18:00",
        "2013-03-03 02:00",  # 9 in the evening of the day before
        "2013-07-01 21:00",
        "2013-12-03 15:00",
    ],
)
def test_features_stay_the_same_when_the_future_is_erased(project, instant):
    before = features_of_hour(project, instant)
    assert len(before) > 3
    project.query(
        """
        update raw.flights
        set dep_time = null, dep_delay = null, arr_time = null, arr_delay = null, air_time = null
        where dep_delay is null
            or time_hour + to_minutes(minute) + to_minutes(dep_delay) >= $1::timestamp
        """,
        instant,
    )
    project.query("delete from raw.weather where time_hour >= $1::timestamp", instant)
    assert features_of_hour(project, instant) == before


def features_of_hour(project, instant):
    recent = project.compiled("origin_recent_delay")
    project.query(f"create or replace table origin_recent_delay as {recent}")
    features = project.compiled("flight_features")
    return project.query(
        f"""
        select * from ({features})
        where date_trunc('hour', scheduled_departure) = $1::timestamp order by flight_id
        """,
        instant,
    )


def test_features_are_not_all_missing(project):
    names = [name for (name, *_) in project.query("describe flight_features")]
    filled = project.query(
        f"select {', '.join(f'count({name})' for name in names)} from flight_features"
    )[0]
    (rows,) = project.query("select count(*) from flight_features")[0]
    share = {name: count / rows for name, count in zip(names, filled, strict=True)}
    assert min(share, key=share.get) == "wind_gust"
    assert all(count > 0.7 for name, count in share.items() if name != "wind_gust")


def test_weather_is_an_hour_old(project):
    assert project.query(
        """
        select count(*) from flight_features as features
        join raw.weather as weather
            on weather.origin = features.origin
            and weather.time_hour = date_trunc('hour', scheduled_departure) - interval 1 hour
        where (features.temperature, features.pressure)
            is distinct from (weather.temp, weather.pressure)
        """
    ) == [(0,)]


def test_recent_delay_is_what_had_left(project):
    # The same figure the slow way, for the flights of one day.
    assert project.query(
        """
        select count(*), count(*) filter (origin_recent_delay is distinct from expected)
        from (
            select
                origin_recent_delay,
                (
                    select sum(dep_delay)::double / count(dep_delay)::double
                    from raw.flights as earlier
                    where earlier.origin = features.origin
                        and time_hour + to_minutes(earlier.minute) + to_minutes(dep_delay)
                            >= date_trunc('hour', scheduled_departure) - interval 3 hours
                        and time_hour + to_minutes(earlier.minute) + to_minutes(dep_delay)
                            < date_trunc('hour', scheduled_departure)
                ) as expected
            from flight_features as features
            where flight_date = '2013-07-02' and minute = 0
        )
        """
    ) == [(170, 0)]


def test_the_label_is_missing_where_the_flight_did_not_arrive(project):
    assert project.query(
        """
        select bool_and((is_late is null) = (arr_delay is null)),
            bool_and(is_late is not distinct from arr_delay > 15)
        from flight_outcomes
        join raw.flights
            on flight_id = concat(carrier, flight, '-', strftime(time_hour, '%Y-%m-%dT%H'))
        """
    ) == [(True, True)]


def test_a_hash_tells_all_values_apart_and_no_others(project):
    text = project.compiled("flight_features")
    made = text[text.index("hex(hash(") : text.index(" as features_hash")]
    rows = [
        *("(1.0, null, 1)", "(1.0, '', 1)", "(1.0, 'NULL', 1)", "(1.0, 'null', 1)"),
        *("(0.3, '', 1)", "(0.1::double + 0.2, '', 1)", "(0.0, '', 1)", "(-0.0::double, '', 1)"),
        *("(null, '', 1)", "('nan', '', 1)", "('inf', '', 1)", "('-inf', '', 1)"),
        *("(1.0, '1', null)", "(null, '1', 1)", "(1.0, null, null)", "(null, null, 1)"),
    ]
    select = (
        "select f.* exclude (temperature, plane_manufacturer, plane_seats), v.* "
        "from (from flight_features order by flight_id limit 1) as f cross join (select "
        "t::double as temperature, m::varchar as plane_manufacturer, s::integer as plane_seats "
        f"from (values {', '.join(rows * 2)}) as w (t, m, s)) as v"
    )
    assert project.query(f"select count(distinct {made}) from ({select}) as features") == [
        (len(rows),)
    ]
    one = "from flight_features order by flight_id limit 1"
    hashes = {
        project.query(f"select {made} from (select * {change} from ({one})) as features")[0]
        for change in ["", *(f"replace (null as {name})" for name in filled_columns(project, one))]
    }
    assert len(hashes) == len(filled_columns(project, one)) + 1


def filled_columns(project, query):
    (row,) = project.query(query)
    names = [name for (name, *_) in project.query("describe flight_features")]
    values = zip(names, row, strict=True)
    return [name for name, value in values if value is not None and name != "features_hash"]
