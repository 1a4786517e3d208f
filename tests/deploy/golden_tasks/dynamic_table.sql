-- Keep FORESQL.SERVING.PREDICTIONS up to date with delay:1
--
-- Model: delay:1, sha256 <sha256 of delay:1>
-- Rows: ANALYTICS.PUBLIC.FLIGHT_FEATURES, by FLIGHT_ID
-- Scoring hash: <scoring hash>
-- Role: FORESQL_DEPLOYER, which owns the task and may read the rows; FORESQL_OPERATOR where a
--   step says so. Rights that they need: foresql task --do setup.
-- Whoever owns ANALYTICS.PUBLIC.FLIGHT_FEATURES has set CHANGE_TRACKING = TRUE for it.
-- The steps run in order, and the first error ends them. By hand: snow sql --enable-templating
--   NONE -f FILE. Run again, it changes nothing.

-- ==== check ==================================================================================

-- 1 of 14: Work as FORESQL_DEPLOYER.
USE ROLE "FORESQL_DEPLOYER";

-- 2 of 14: Fail if a column that a model reads is missing, or has a type that a cast would
--   change.
SELECT CASE
  WHEN COUNT_IF(COLUMN_NAME = 'CARRIER' AND DATA_TYPE = 'TEXT') = 0 THEN TO_NUMBER('the model reads column CARRIER as VARCHAR, and the table has none of a type that is the same number or text; columns of the table: ' || COUNT(*))
  WHEN COUNT_IF(COLUMN_NAME = 'DISTANCE' AND DATA_TYPE IN ('FLOAT', 'NUMBER')) = 0 THEN TO_NUMBER('the model reads column DISTANCE as FLOAT, and the table has none of a type that is the same number or text; columns of the table: ' || COUNT(*))
  WHEN COUNT_IF(UPPER(COLUMN_NAME) = 'F') > 0 THEN TO_NUMBER('the query passes its row by f, and the table has a column of that name, which DuckDB would pass; call the table by another alias; such columns: ' || COUNT_IF(UPPER(COLUMN_NAME) = 'F'))
  ELSE 0 END AS PROBLEMS
FROM "ANALYTICS".INFORMATION_SCHEMA.COLUMNS
WHERE TABLE_SCHEMA = 'PUBLIC' AND TABLE_NAME = 'FLIGHT_FEATURES';

-- 3 of 14: Fail if several rows have one key, of which it is not known which counts.
SELECT COUNT(*) AS KEYS FROM (
  SELECT "FLIGHT_ID", "DISTANCE", "CARRIER", "FLIGHT_ID" AS "FORESQL_KEY_1", 'INSERT' AS "FORESQL_ACTION"
  FROM "ANALYTICS"."PUBLIC"."FLIGHT_FEATURES"
  QUALIFY ROW_NUMBER() OVER (PARTITION BY "FLIGHT_ID" ORDER BY "FLIGHT_ID") = CASE WHEN COUNT(*) OVER (PARTITION BY "FLIGHT_ID") > 1 THEN TO_NUMBER('several rows of the table have one key; name --latest-by, or remove all but one: ' || COALESCE(CAST("FLIGHT_ID" AS VARCHAR), 'NULL')) ELSE 1 END
);

-- 4 of 14: Fail if the functions of these versions are missing, or cannot be called.
SELECT * FROM (
  SELECT
    "F"."FORESQL_KEY_1",
    "F"."FLIGHT_ID" AS "FLIGHT_ID",
    "FORESQL"."MODELS"."PREDICT_DELAY_V1"(CAST("F"."DISTANCE" AS FLOAT), "F"."CARRIER") AS "LATE",
    "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"(CAST("F"."DISTANCE" AS FLOAT), "F"."CARRIER") AS "P",
    CAST(HASH("F"."FLIGHT_ID", "F"."DISTANCE", "F"."CARRIER") AS VARCHAR) AS "FEATURES_HASH",
    TRUE AS "FORESQL_SCORED"
  FROM (
    SELECT "FLIGHT_ID", "DISTANCE", "CARRIER", "FLIGHT_ID" AS "FORESQL_KEY_1", 'INSERT' AS "FORESQL_ACTION"
    FROM "ANALYTICS"."PUBLIC"."FLIGHT_FEATURES"
    QUALIFY ROW_NUMBER() OVER (PARTITION BY "FLIGHT_ID" ORDER BY "FLIGHT_ID") = CASE WHEN COUNT(*) OVER (PARTITION BY "FLIGHT_ID") > 1 THEN TO_NUMBER('several rows of the table have one key; name --latest-by, or remove all but one: ' || COALESCE(CAST("FLIGHT_ID" AS VARCHAR), 'NULL')) ELSE 1 END
  ) AS "F"
  WHERE "F"."FORESQL_ACTION" = 'INSERT'
    AND ("F"."DISTANCE" > 10 OR "F"."CARRIER" = 'AA')
)
LIMIT 10;

-- ==== create =================================================================================

-- 5 of 14: Compute all predictions, then refresh what changed. It fails if it cannot.
CREATE DYNAMIC TABLE IF NOT EXISTS "FORESQL"."SERVING"."PREDICTIONS"
  TARGET_LAG = '5 MINUTES'
  WAREHOUSE = "WH"
  REFRESH_MODE = INCREMENTAL
  INITIALIZE = ON_CREATE
AS
SELECT
  "F"."FLIGHT_ID" AS "FLIGHT_ID",
  "FORESQL"."MODELS"."PREDICT_DELAY_V1"(CAST("F"."DISTANCE" AS FLOAT), "F"."CARRIER") AS "LATE",
  "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"(CAST("F"."DISTANCE" AS FLOAT), "F"."CARRIER") AS "P",
  'delay' AS "MODEL_NAME",
  '1' AS "MODEL_VERSION",
  '<scoring hash>' AS "SCORING_HASH",
  CAST(HASH("F"."FLIGHT_ID", "F"."DISTANCE", "F"."CARRIER") AS VARCHAR) AS "FEATURES_HASH"
FROM "ANALYTICS"."PUBLIC"."FLIGHT_FEATURES" AS "F"
WHERE "F"."DISTANCE" > 10 OR "F"."CARRIER" = 'AA';

-- ==== check ==================================================================================

-- 6 of 14: Fail if other versions, or another query, made the predictions that are there.
SELECT CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: predictions are there already, by other versions or another query, and what keeps them up to date stays as it is; go over by --do upgrade; rows: ' || COUNT(*)) END AS PROBLEMS
FROM "FORESQL"."SERVING"."PREDICTIONS"
WHERE "SCORING_HASH" IS DISTINCT FROM '<scoring hash>';

-- ==== record =================================================================================

-- 7 of 14: Show the runs of the last seven days.
CREATE OR REPLACE VIEW "FORESQL"."SERVING"."PREDICTIONS_RUNS" COPY GRANTS AS
SELECT NAME, STATE, STATE_CODE, STATE_MESSAGE, REFRESH_ACTION, REFRESH_TRIGGER,
  DATA_TIMESTAMP, REFRESH_START_TIME, REFRESH_END_TIME, QUERY_ID
FROM TABLE("FORESQL".INFORMATION_SCHEMA.DYNAMIC_TABLE_REFRESH_HISTORY(NAME => '"FORESQL"."SERVING"."PREDICTIONS"'));

-- 8 of 14: Let FORESQL_OPERATOR read it.
GRANT SELECT ON VIEW "FORESQL"."SERVING"."PREDICTIONS_RUNS" TO ROLE "FORESQL_OPERATOR";

-- 9 of 14: Show the runs that failed.
CREATE OR REPLACE VIEW "FORESQL"."SERVING"."PREDICTIONS_FAILURES" COPY GRANTS AS
SELECT * FROM (
  SELECT NAME, STATE, STATE_CODE, STATE_MESSAGE, REFRESH_ACTION, REFRESH_TRIGGER,
    DATA_TIMESTAMP, REFRESH_START_TIME, REFRESH_END_TIME, QUERY_ID
  FROM TABLE("FORESQL".INFORMATION_SCHEMA.DYNAMIC_TABLE_REFRESH_HISTORY(NAME => '"FORESQL"."SERVING"."PREDICTIONS"'))
)
WHERE STATE NOT IN ('SUCCEEDED', 'EXECUTING', 'SCHEDULED') OR REFRESH_ACTION = 'FULL';

-- 10 of 14: Let FORESQL_OPERATOR read it.
GRANT SELECT ON VIEW "FORESQL"."SERVING"."PREDICTIONS_FAILURES" TO ROLE "FORESQL_OPERATOR";

-- 11 of 14: Show how many rows each version scored.
CREATE OR REPLACE VIEW "FORESQL"."SERVING"."PREDICTIONS_VERSIONS" COPY GRANTS AS
SELECT "MODEL_NAME", "MODEL_VERSION", "SCORING_HASH",
  "SCORING_HASH" = '<scoring hash>' AS IS_CURRENT, COUNT(*) AS PREDICTIONS
FROM "FORESQL"."SERVING"."PREDICTIONS"
GROUP BY "MODEL_NAME", "MODEL_VERSION", "SCORING_HASH";

-- 12 of 14: Let FORESQL_OPERATOR read it.
GRANT SELECT ON VIEW "FORESQL"."SERVING"."PREDICTIONS_VERSIONS" TO ROLE "FORESQL_OPERATOR";

-- ==== grant ==================================================================================

-- 13 of 14: Let FORESQL_CALLER read the predictions.
GRANT SELECT ON TABLE "FORESQL"."SERVING"."PREDICTIONS" TO ROLE "FORESQL_CALLER";

-- 14 of 14: Let FORESQL_OPERATOR read the predictions.
GRANT SELECT ON TABLE "FORESQL"."SERVING"."PREDICTIONS" TO ROLE "FORESQL_OPERATOR";
