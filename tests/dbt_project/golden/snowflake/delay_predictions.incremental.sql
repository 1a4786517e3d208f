with answering as (
    select "FORESQL"."SERVING"."VERSION_DELAY"() as model_version
),

stale as (
    select features.*
    from FLIGHTS.DELAYS.flight_features as features
    left join FLIGHTS.DELAYS.delay_predictions as stored
        on features.flight_id = stored.flight_id
    where stored.flight_id is null
        or stored.features_hash is distinct from features.features_hash
        or stored.model_name is distinct from 'delay'
        or stored.model_version is distinct from (select model_version from answering)
),

scored as (
    select
        flight_id,
        features_hash,
        "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(
            cast(stale."DAY_OF_WEEK" as FLOAT),
            cast(stale."IS_WEEKEND" as BOOLEAN),
            cast(stale."HOUR" as FLOAT),
            cast(stale."MINUTE" as FLOAT),
            cast(stale."CARRIER" as VARCHAR),
            cast(stale."ORIGIN" as VARCHAR),
            cast(stale."DEST" as VARCHAR),
            cast(stale."DISTANCE" as FLOAT),
            cast(stale."ORIGIN_DEPARTURES" as FLOAT),
            cast(stale."PLANE_AGE" as FLOAT),
            cast(stale."PLANE_SEATS" as FLOAT),
            cast(stale."PLANE_ENGINES" as FLOAT),
            cast(stale."PLANE_MANUFACTURER" as VARCHAR),
            cast(stale."TEMPERATURE" as FLOAT),
            cast(stale."DEW_POINT" as FLOAT),
            cast(stale."HUMIDITY" as FLOAT),
            cast(stale."WIND_DIRECTION" as FLOAT),
            cast(stale."WIND_SPEED" as FLOAT),
            cast(stale."WIND_GUST" as FLOAT),
            cast(stale."PRECIPITATION" as FLOAT),
            cast(stale."PRESSURE" as FLOAT),
            cast(stale."VISIBILITY" as FLOAT),
            cast(stale."ORIGIN_RECENT_DELAY" as FLOAT)
        ) as late_probability,
        "FORESQL"."SERVING"."PREDICT_DELAY"(
            cast(stale."DAY_OF_WEEK" as FLOAT),
            cast(stale."IS_WEEKEND" as BOOLEAN),
            cast(stale."HOUR" as FLOAT),
            cast(stale."MINUTE" as FLOAT),
            cast(stale."CARRIER" as VARCHAR),
            cast(stale."ORIGIN" as VARCHAR),
            cast(stale."DEST" as VARCHAR),
            cast(stale."DISTANCE" as FLOAT),
            cast(stale."ORIGIN_DEPARTURES" as FLOAT),
            cast(stale."PLANE_AGE" as FLOAT),
            cast(stale."PLANE_SEATS" as FLOAT),
            cast(stale."PLANE_ENGINES" as FLOAT),
            cast(stale."PLANE_MANUFACTURER" as VARCHAR),
            cast(stale."TEMPERATURE" as FLOAT),
            cast(stale."DEW_POINT" as FLOAT),
            cast(stale."HUMIDITY" as FLOAT),
            cast(stale."WIND_DIRECTION" as FLOAT),
            cast(stale."WIND_SPEED" as FLOAT),
            cast(stale."WIND_GUST" as FLOAT),
            cast(stale."PRECIPITATION" as FLOAT),
            cast(stale."PRESSURE" as FLOAT),
            cast(stale."VISIBILITY" as FLOAT),
            cast(stale."ORIGIN_RECENT_DELAY" as FLOAT)
        ) as predicted_late
    from stale
)

select
    scored.flight_id,
    scored.late_probability,
    scored.predicted_late,
    'delay' as model_name,
    answering.model_version,
    scored.features_hash,
    cast('<run_started_at>' as timestamp_ntz) as scored_at,
    '<invocation_id>' as run_id
from scored
cross join answering
