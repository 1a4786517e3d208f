-- The champion is asked here, so a flight is in the list before delay_predictions has scored it.
-- Flights of one probability share a rank.
with last_day as (
    select features.*
    from FLIGHTS.DELAYS.flight_features as features
    where features.flight_date = (select max(flight_date) from FLIGHTS.DELAYS.flight_features)
),

answers as (
    select
        flight_id,
        flight_date,
        scheduled_departure,
        carrier,
        origin,
        dest as destination,
        "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(
            cast(last_day."DAY_OF_WEEK" as FLOAT),
            cast(last_day."IS_WEEKEND" as BOOLEAN),
            cast(last_day."HOUR" as FLOAT),
            cast(last_day."MINUTE" as FLOAT),
            cast(last_day."CARRIER" as VARCHAR),
            cast(last_day."ORIGIN" as VARCHAR),
            cast(last_day."DEST" as VARCHAR),
            cast(last_day."DISTANCE" as FLOAT),
            cast(last_day."ORIGIN_DEPARTURES" as FLOAT),
            cast(last_day."PLANE_AGE" as FLOAT),
            cast(last_day."PLANE_SEATS" as FLOAT),
            cast(last_day."PLANE_ENGINES" as FLOAT),
            cast(last_day."PLANE_MANUFACTURER" as VARCHAR),
            cast(last_day."TEMPERATURE" as FLOAT),
            cast(last_day."DEW_POINT" as FLOAT),
            cast(last_day."HUMIDITY" as FLOAT),
            cast(last_day."WIND_DIRECTION" as FLOAT),
            cast(last_day."WIND_SPEED" as FLOAT),
            cast(last_day."WIND_GUST" as FLOAT),
            cast(last_day."PRECIPITATION" as FLOAT),
            cast(last_day."PRESSURE" as FLOAT),
            cast(last_day."VISIBILITY" as FLOAT),
            cast(last_day."ORIGIN_RECENT_DELAY" as FLOAT)
        ) as late_probability
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
