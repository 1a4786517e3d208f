-- How likely a flight is late, asked when its departure hour begins: an endpoint of `foresql serve`.
-- A request brings rows of stg_flights. What else flight_features has is looked up by key.
with features as (
    select
        flights.flight_id,
        cast(extract(month from flights.flight_date) as integer) as month,
        cast(extract(isodow from flights.flight_date) as integer) as day_of_week,
        extract(isodow from flights.flight_date) >= 6 as is_weekend,
        flights.hour,
        flights.minute,
        flights.carrier,
        flights.origin,
        flights.dest,
        flights.distance,
        departures.flights as origin_departures,
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
    from stg_flights as flights
    left join stg_planes as planes
        on planes.tailnum = flights.tailnum
    left join stg_weather as weather
        on weather.origin = flights.origin
        and weather.observed_hour = flights.departure_hour - interval 1 hour
    left join origin_recent_delay as recent
        on recent.origin = flights.origin
        and recent.departure_hour = flights.departure_hour
    left join origin_departures as departures
        on departures.origin = flights.origin
        and departures.departure_hour = flights.departure_hour
)

select
    flight_id,
    predict_proba_delay(features) as late_probability,
    predict_delay(features) as predicted_late
from features
