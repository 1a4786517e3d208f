-- Everything here is known when the scheduled departure hour begins. How the flight itself
-- went (its delays, its time in the air) is in flight_outcomes and must not enter.
with features as (
    select
        flights.flight_id,
        flights.flight_date,
        flights.scheduled_departure,
        cast(extract(month from flights.flight_date) as integer) as month,
        cast({{ iso_day_of_week('flights.flight_date') }} as integer) as day_of_week,
        {{ iso_day_of_week('flights.flight_date') }} >= 6 as is_weekend,
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
    from {{ ref('stg_flights') }} as flights
    left join {{ ref('stg_planes') }} as planes
        on flights.tailnum = planes.tailnum
    left join {{ ref('stg_weather') }} as weather
        on flights.origin = weather.origin
        and flights.departure_hour = {{ dbt.dateadd('hour', 1, 'weather.observed_hour') }}
    left join {{ ref('origin_recent_delay') }} as recent
        on flights.origin = recent.origin
        and flights.departure_hour = recent.departure_hour
)

select
    *,
    {{ foresql.features_hash('features', foresql.contract_columns('flight_features', without='features_hash')) }} as features_hash
from features
