-- Everything here is known when the scheduled departure hour begins. How the flight itself
-- went (its delays, its time in the air) is in flight_outcomes and must not enter.
with features as (
    select
        flights.flight_id,
        flights.flight_date,
        flights.scheduled_departure,
        extract('month' from flights.flight_date)::integer as "month",
        extract('isodow' from flights.flight_date)::integer as day_of_week,
        day_of_week >= 6 as is_weekend,
        flights."hour",
        flights."minute",
        flights.carrier,
        flights.origin,
        flights.dest,
        flights.distance,
        count(*) over (partition by flights.origin, flights.departure_hour) as origin_departures,
        (extract('year' from flights.flight_date) - planes.built_in)::integer as plane_age,
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
        and flights.departure_hour = weather.observed_hour + to_hours(1)
    left join {{ ref('origin_recent_delay') }} as recent
        on flights.origin = recent.origin
        and flights.departure_hour = recent.departure_hour
)

select
    *,
    {{ hash_row('features') }} as features_hash
from features
