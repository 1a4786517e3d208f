-- What dashboards and metrics read: one row a flight, with names, the prediction and the outcome.
select
    predictions.flight_id,
    features.flight_date,
    features.scheduled_departure,
    coalesce(airlines.airline_name, features.carrier) as airline,
    features.origin,
    coalesce(origins.airport_name, features.origin) as origin_name,
    features.dest as destination,
    -- Four airports of Puerto Rico and the Virgin Islands are not in the list of names.
    coalesce(destinations.airport_name, features.dest) as destination_name,
    features.hour as scheduled_hour,
    predictions.late_probability,
    predictions.predicted_late = 1 as is_predicted_late,
    {{ function('delay_band') }}(predictions.late_probability) as delay_band,
    outcomes.is_cancelled,
    outcomes.arrival_delay,
    outcomes.is_late,
    predictions.model_version,
    predictions.scored_at
from {{ ref('delay_predictions') }} as predictions
inner join {{ ref('flight_features') }} as features
    on predictions.flight_id = features.flight_id
inner join {{ ref('flight_outcomes') }} as outcomes
    on predictions.flight_id = outcomes.flight_id
left join {{ ref('stg_airlines') }} as airlines
    on features.carrier = airlines.carrier
left join {{ ref('stg_airports') }} as origins
    on features.origin = origins.airport
left join {{ ref('stg_airports') }} as destinations
    on features.dest = destinations.airport
