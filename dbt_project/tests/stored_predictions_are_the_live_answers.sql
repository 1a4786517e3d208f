-- A thousand flights, scored again: the stored answer is the live one, bit for bit.
with some_flights as {{ foresql.materialized() }}(
    select features.*
    from {{ ref('flight_features') }} as features
    order by features_hash
    limit 1000
),

answers as {{ foresql.materialized() }}(
    select
        flight_id,
        {{ foresql.predict_proba('delay@champion', 'some_flights', ref('flight_features')) }} as late_probability
    from some_flights
)

select
    answers.flight_id,
    answers.late_probability as live,
    predictions.late_probability as stored
from answers
inner join {{ ref('delay_predictions') }} as predictions
    on answers.flight_id = predictions.flight_id
where answers.late_probability != predictions.late_probability
