-- Everything here is known when the scheduled departure hour begins. How the flight itself
-- went (its delays, its time in the air) is in flight_outcomes and must not enter.
with features as (
    select
        flights.flight_id,
        flights.flight_date,
        flights.scheduled_departure,
        cast(extract(month from flights.flight_date) as integer) as month,
        cast(dayofweekiso(flights.flight_date) as integer) as day_of_week,
        dayofweekiso(flights.flight_date) >= 6 as is_weekend,
        flights.hour,
        flights.minute,
        flights.carrier,
        flights.origin,
        flights.dest,
        flights.distance,
        count(*) over (partition by flights.origin, flights.departure_hour) as origin_departures,
        cast(extract(year from flights.flight_date) - planes.built_in as integer) as plane_age,
        planes.seats as plane_seats,
        planes.engines as plane_engines,
        planes.manufacturer as plane_manufacturer,
        weather.temperature,
        weather.dew_point,
        weather.humidity,
        weather.wind_direction,
        weather.wind_speed,
        weather.wind_gust,
        weather.precipitation,
        weather.pressure,
        weather.visibility,
        recent.minutes_late as origin_recent_delay
    from FLIGHTS.DELAYS.stg_flights as flights
    left join FLIGHTS.DELAYS.stg_planes as planes
        on flights.tailnum = planes.tailnum
    left join FLIGHTS.DELAYS.stg_weather as weather
        on flights.origin = weather.origin
        and flights.departure_hour =

    dateadd(
        hour,
        1,
        weather.observed_hour
        )


    left join FLIGHTS.DELAYS.origin_recent_delay as recent
        on flights.origin = recent.origin
        and flights.departure_hour = recent.departure_hour
)

select
    *,
    md5(to_json(array_construct(
        features.flight_id,
        to_varchar(features.flight_date, 'YYYY-MM-DD'),
        to_varchar(features.scheduled_departure, 'YYYY-MM-DD HH24:MI:SS.FF9'),
        to_varchar(features.month),
        to_varchar(features.day_of_week),
        to_varchar(features.is_weekend),
        to_varchar(features.hour),
        to_varchar(features.minute),
        features.carrier,
        features.origin,
        features.dest,
        to_varchar(features.distance),
        to_varchar(features.origin_departures),
        to_varchar(features.plane_age),
        to_varchar(features.plane_seats),
        to_varchar(features.plane_engines),
        features.plane_manufacturer,
        to_varchar(features.temperature), to_varchar(features.temperature - try_to_double(to_varchar(features.temperature))),
        to_varchar(features.dew_point), to_varchar(features.dew_point - try_to_double(to_varchar(features.dew_point))),
        to_varchar(features.humidity), to_varchar(features.humidity - try_to_double(to_varchar(features.humidity))),
        to_varchar(features.wind_direction), to_varchar(features.wind_direction - try_to_double(to_varchar(features.wind_direction))),
        to_varchar(features.wind_speed), to_varchar(features.wind_speed - try_to_double(to_varchar(features.wind_speed))),
        to_varchar(features.wind_gust), to_varchar(features.wind_gust - try_to_double(to_varchar(features.wind_gust))),
        to_varchar(features.precipitation), to_varchar(features.precipitation - try_to_double(to_varchar(features.precipitation))),
        to_varchar(features.pressure), to_varchar(features.pressure - try_to_double(to_varchar(features.pressure))),
        to_varchar(features.visibility), to_varchar(features.visibility - try_to_double(to_varchar(features.visibility))),
        to_varchar(features.origin_recent_delay), to_varchar(features.origin_recent_delay - try_to_double(to_varchar(features.origin_recent_delay)))
    ))) as features_hash
from features
