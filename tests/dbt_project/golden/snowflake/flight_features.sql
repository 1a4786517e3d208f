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
        features."FLIGHT_ID",
        to_varchar(features."FLIGHT_DATE", 'YYYY-MM-DD'),
        to_varchar(features."SCHEDULED_DEPARTURE", 'YYYY-MM-DD HH24:MI:SS.FF9'),
        to_varchar(features."MONTH"),
        to_varchar(features."DAY_OF_WEEK"),
        to_varchar(features."IS_WEEKEND"),
        to_varchar(features."HOUR"),
        to_varchar(features."MINUTE"),
        features."CARRIER",
        features."ORIGIN",
        features."DEST",
        to_varchar(features."DISTANCE"),
        to_varchar(features."ORIGIN_DEPARTURES"),
        to_varchar(features."PLANE_AGE"),
        to_varchar(features."PLANE_SEATS"),
        to_varchar(features."PLANE_ENGINES"),
        features."PLANE_MANUFACTURER",
        to_varchar(features."TEMPERATURE"), to_varchar(features."TEMPERATURE" - try_to_double(to_varchar(features."TEMPERATURE"))),
        to_varchar(features."DEW_POINT"), to_varchar(features."DEW_POINT" - try_to_double(to_varchar(features."DEW_POINT"))),
        to_varchar(features."HUMIDITY"), to_varchar(features."HUMIDITY" - try_to_double(to_varchar(features."HUMIDITY"))),
        to_varchar(features."WIND_DIRECTION"), to_varchar(features."WIND_DIRECTION" - try_to_double(to_varchar(features."WIND_DIRECTION"))),
        to_varchar(features."WIND_SPEED"), to_varchar(features."WIND_SPEED" - try_to_double(to_varchar(features."WIND_SPEED"))),
        to_varchar(features."WIND_GUST"), to_varchar(features."WIND_GUST" - try_to_double(to_varchar(features."WIND_GUST"))),
        to_varchar(features."PRECIPITATION"), to_varchar(features."PRECIPITATION" - try_to_double(to_varchar(features."PRECIPITATION"))),
        to_varchar(features."PRESSURE"), to_varchar(features."PRESSURE" - try_to_double(to_varchar(features."PRESSURE"))),
        to_varchar(features."VISIBILITY"), to_varchar(features."VISIBILITY" - try_to_double(to_varchar(features."VISIBILITY"))),
        to_varchar(features."ORIGIN_RECENT_DELAY"), to_varchar(features."ORIGIN_RECENT_DELAY" - try_to_double(to_varchar(features."ORIGIN_RECENT_DELAY")))
    ))) as features_hash
from features
