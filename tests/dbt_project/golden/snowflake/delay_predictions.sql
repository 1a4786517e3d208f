-- foresql: delay@champion is version 1.
with foresql_answering as (
    select "FORESQL"."SERVING"."VERSION_DELAY"() as model_version
),

foresql_stale as (

    select features.*
    from (select * from FLIGHTS.DELAYS.flight_features) as features
),

foresql_scored as (
    select
        "FLIGHT_ID",
        "FEATURES_HASH" as features_hash,
        "FORESQL"."SERVING"."PREDICT_DELAY"(
            cast(foresql_stale."DAY_OF_WEEK" as FLOAT),
            cast(foresql_stale."IS_WEEKEND" as BOOLEAN),
            cast(foresql_stale."HOUR" as FLOAT),
            cast(foresql_stale."MINUTE" as FLOAT),
            cast(foresql_stale."CARRIER" as VARCHAR),
            cast(foresql_stale."ORIGIN" as VARCHAR),
            cast(foresql_stale."DEST" as VARCHAR),
            cast(foresql_stale."DISTANCE" as FLOAT),
            cast(foresql_stale."ORIGIN_DEPARTURES" as FLOAT),
            cast(foresql_stale."PLANE_AGE" as FLOAT),
            cast(foresql_stale."PLANE_SEATS" as FLOAT),
            cast(foresql_stale."PLANE_ENGINES" as FLOAT),
            cast(foresql_stale."PLANE_MANUFACTURER" as VARCHAR),
            cast(foresql_stale."TEMPERATURE" as FLOAT),
            cast(foresql_stale."DEW_POINT" as FLOAT),
            cast(foresql_stale."HUMIDITY" as FLOAT),
            cast(foresql_stale."WIND_DIRECTION" as FLOAT),
            cast(foresql_stale."WIND_SPEED" as FLOAT),
            cast(foresql_stale."WIND_GUST" as FLOAT),
            cast(foresql_stale."PRECIPITATION" as FLOAT),
            cast(foresql_stale."PRESSURE" as FLOAT),
            cast(foresql_stale."VISIBILITY" as FLOAT),
            cast(foresql_stale."ORIGIN_RECENT_DELAY" as FLOAT)
        ) as "PREDICTED_LATE",
        "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(
            cast(foresql_stale."DAY_OF_WEEK" as FLOAT),
            cast(foresql_stale."IS_WEEKEND" as BOOLEAN),
            cast(foresql_stale."HOUR" as FLOAT),
            cast(foresql_stale."MINUTE" as FLOAT),
            cast(foresql_stale."CARRIER" as VARCHAR),
            cast(foresql_stale."ORIGIN" as VARCHAR),
            cast(foresql_stale."DEST" as VARCHAR),
            cast(foresql_stale."DISTANCE" as FLOAT),
            cast(foresql_stale."ORIGIN_DEPARTURES" as FLOAT),
            cast(foresql_stale."PLANE_AGE" as FLOAT),
            cast(foresql_stale."PLANE_SEATS" as FLOAT),
            cast(foresql_stale."PLANE_ENGINES" as FLOAT),
            cast(foresql_stale."PLANE_MANUFACTURER" as VARCHAR),
            cast(foresql_stale."TEMPERATURE" as FLOAT),
            cast(foresql_stale."DEW_POINT" as FLOAT),
            cast(foresql_stale."HUMIDITY" as FLOAT),
            cast(foresql_stale."WIND_DIRECTION" as FLOAT),
            cast(foresql_stale."WIND_SPEED" as FLOAT),
            cast(foresql_stale."WIND_GUST" as FLOAT),
            cast(foresql_stale."PRECIPITATION" as FLOAT),
            cast(foresql_stale."PRESSURE" as FLOAT),
            cast(foresql_stale."VISIBILITY" as FLOAT),
            cast(foresql_stale."ORIGIN_RECENT_DELAY" as FLOAT)
        ) as "LATE_PROBABILITY"
    from foresql_stale
)

select
    scored."FLIGHT_ID",
    scored."PREDICTED_LATE",
    scored."LATE_PROBABILITY",
    'delay' as model_name,
    answering.model_version,
    scored.features_hash,
    cast('<run_started_at>' as timestamp_ntz) as scored_at,
    '<invocation_id>' as run_id
from foresql_scored as scored
cross join foresql_answering as answering
