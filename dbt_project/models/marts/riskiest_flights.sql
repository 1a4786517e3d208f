-- The champion is asked here, so a flight is in the list before delay_predictions has scored it.
-- Flights of one probability share a rank.
with last_day as {{ foresql.materialized() }}(
    select features.*
    from {{ ref('flight_features') }} as features
    where features.flight_date = (select max(flight_date) from {{ ref('flight_features') }})
),

answers as {{ foresql.materialized() }}(
    select
        flight_id,
        flight_date,
        scheduled_departure,
        carrier,
        origin,
        dest as destination,
        {{ foresql.predict_proba('delay@champion', 'last_day', ref('flight_features')) }} as late_probability
    from last_day
),

ranked as (
    select
        answers.*,
        dense_rank() over (order by late_probability desc) as risk_rank
    from answers
)

select *
from ranked
where risk_rank <= 100
