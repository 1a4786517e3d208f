select
    coalesce(airlines.airline_name, features.carrier) as airline,
    features.origin,
    coalesce(origins.airport_name, features.origin) as origin_name,
    features.dest as destination,
    -- Four airports of Puerto Rico and the Virgin Islands are not in the list of names.
    coalesce(destinations.airport_name, features.dest) as destination_name,
    features.hour as scheduled_hour,
    count(*) as flights,
    count(outcomes.is_late) as arrived_flights,
    avg(predictions.late_probability) as predicted_late_share,
    avg(cast(cast(outcomes.is_late as integer) as double precision)) as actual_late_share
from FLIGHTS.DELAYS.delay_predictions as predictions
inner join FLIGHTS.DELAYS.flight_features as features
    on predictions.flight_id = features.flight_id
inner join FLIGHTS.DELAYS.flight_outcomes as outcomes
    on predictions.flight_id = outcomes.flight_id
left join FLIGHTS.DELAYS.stg_airlines as airlines
    on features.carrier = airlines.carrier
left join FLIGHTS.DELAYS.stg_airports as origins
    on features.origin = origins.airport
left join FLIGHTS.DELAYS.stg_airports as destinations
    on features.dest = destinations.airport
group by all
