-- Deploy delay:2 to Snowflake as SQL
--
-- Model delay, version 2, bundle sha256
--   9917bba1060b327cb87ef1d38f8fabe2b6f557f52cd0550c3e051cff18c44d33.
-- It is certified against the library on 12,345 rows by kernel, duckdb; largest difference
--   2.5e-16.
-- Run by FORESQL_DEPLOYER; FORESQL_CALLER may call what it makes.
-- Versions: "FORESQL"."MODELS". Aliases: "FORESQL"."SERVING".
-- The model is a view, and runs as SQL alone.
-- The steps run in order, and the first error ends them: a failed check is an error of
--   TO_NUMBER that holds the message. By hand, in the folder of the uploaded file: snow sql
--   --enable-templating NONE -f FILE. Run again, it changes nothing.

-- ==== prepare ================================================================================

-- 1 of 10: Act as the role that owns the functions.
USE ROLE "FORESQL_DEPLOYER";

-- 2 of 10: Stop if another model has the names.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: functions of delay would have the names of another model\'s: ' || MIN("MODEL") || '. Publish it under another name.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."SQL_DEPLOYMENTS"
WHERE "MODEL" <> 'delay' AND (
    CONTAINS(', ' || "FUNCTIONS" || ', ', ', SCORE_DELAY_V2, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', SCORE_DELAY, ')
);

-- 3 of 10: Stop if delay:2 was deployed from another bundle.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:2 was deployed from another bundle, with sha256 ' || MIN("BUNDLE_SHA256") || '. Versions never change: deploy from the registry that it came from.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."SQL_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "VERSION" = 2 AND "BUNDLE_SHA256" <> '9917bba1060b327cb87ef1d38f8fabe2b6f557f52cd0550c3e051cff18c44d33';

-- 4 of 10: Stop if the alias is at another version than this plan knows.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay@champion is at another version here than this plan was made for: ' || MIN("VERSION") || '. Make the plan again.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_SQL_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "ALIAS" = 'champion' AND "VERSION" NOT IN (1, 2);

-- 5 of 10: Stop if another alias is at delay:2: both would read what is replaced.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:2 is here as SQL already, for another alias: ' || MIN("ALIAS") || '. Drop it there first, by foresql deploy-sql --drop.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_SQL_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "VERSION" = 2 AND "ALIAS" <> 'champion';

-- ==== check ==================================================================================

-- 6 of 10: Stop unless the query of SCORE_DELAY_V2 gives the certified answers.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 2 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 2 golden rows of delay:2 are not answered as certified in SQL; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
WITH s0 AS (
    SELECT
      "ROW" AS c0,
      "LABEL OF 1" AS c1,
      "LOW OF 2" AS c2,
      "HIGH OF 2" AS c3,
      "LOW OF 3" AS c4,
      "HIGH OF 3" AS c5,
      TO_BINARY("CARRIER", 'UTF-8') AS c6,
      CAST("DISTANCE" AS FLOAT) AS c8
    FROM (
    SELECT "ROW", "LABEL OF 1", "LOW OF 2", "HIGH OF 2", "LOW OF 3", "HIGH OF 3", "DISTANCE"::FLOAT AS "DISTANCE", "CARRIER"::VARCHAR AS "CARRIER"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", 'UA' AS "CARRIER", 'late' AS "LABEL OF 1", (3292395142304093::FLOAT/4503599627370496) AS "LOW OF 2", (102887348197003::FLOAT/140737488355328) AS "HIGH OF 2", 1::FLOAT AS "LOW OF 3", 1::FLOAT AS "HIGH OF 3" UNION ALL
        SELECT 1, (0::FLOAT * (-1)::FLOAT), 'O\'Hare', 'late', (3292395142304093::FLOAT/4503599627370496), (102887348197003::FLOAT/140737488355328), 1::FLOAT, 1::FLOAT
    ) AS "listed"
) AS "golden"
),
s1 AS (
    SELECT
      c0, c1, c2, c3, c4, c5,
      CASE WHEN c6 IS NULL THEN NULL WHEN c6 = TO_BINARY('UA', 'UTF-8') THEN 0::FLOAT WHEN c6 = TO_BINARY('O\'Hare', 'UTF-8') THEN 1::FLOAT WHEN c6 = TO_BINARY('ü\\', 'UTF-8') THEN 7::FLOAT ELSE -1::FLOAT END AS c7,
      CASE WHEN (c8 <> c8 OR c8 = 'NaN'::FLOAT) THEN NULL ELSE c8 END AS c9
    FROM s0
),
s2 AS (
    SELECT
      c0, c1, c2, c3, c4, c5,
      (1::FLOAT/2)
      + CASE WHEN c9 > (3::FLOAT/2) THEN CASE WHEN c9 <= (161::FLOAT/4) THEN (-1::FLOAT/4) ELSE (3::FLOAT/4) END ELSE (1::FLOAT/8) END
      + CASE WHEN c7 BETWEEN 0::FLOAT AND 2::FLOAT OR c7 IN (7::FLOAT) THEN (3::FLOAT/8) ELSE -2::FLOAT END AS c10
    FROM s1
),
s3 AS (
    SELECT
      c0, c1, c2, c3, c4, c5, c10,
      CASE WHEN c10 > (3::FLOAT/9007199254740992/2) THEN 1::FLOAT ELSE 0::FLOAT END AS c13
    FROM s2
)
SELECT
  c0 AS "ROW",
  c1 AS "LABEL OF 1",
  c2 AS "LOW OF 2",
  c3 AS "HIGH OF 2",
  c4 AS "LOW OF 3",
  c5 AS "HIGH OF 3",
  CASE WHEN c13 = 0::FLOAT THEN 'on time' WHEN c13 = 1::FLOAT THEN 'late' END AS "PREDICTION",
  CASE WHEN c10 < (-6243314768165359::FLOAT/8796093022208) THEN 0::FLOAT WHEN c10 > 40::FLOAT THEN 1::FLOAT ELSE 1::FLOAT / (1::FLOAT + EXP((-c10))) END AS "PROBABILITY",
  c10 AS "MARGIN"
FROM s3
) AS "answered"
WHERE NOT (
    "PREDICTION" IS NOT DISTINCT FROM "LABEL OF 1"
    AND COALESCE("PROBABILITY", 'NaN'::FLOAT) BETWEEN "LOW OF 2" AND "HIGH OF 2"
    AND COALESCE("MARGIN", 'NaN'::FLOAT) BETWEEN "LOW OF 3" AND "HIGH OF 3"
);

-- ==== create =================================================================================

-- 7 of 10: Create SCORE_DELAY_V2. No one reads it yet.
CREATE OR REPLACE SECURE VIEW "FORESQL"."MODELS"."SCORE_DELAY_V2"
COPY GRANTS
COMMENT = 'foresql delay:2, in SQL alone; bundle sha256:9917bba1060b327cb87ef1d38f8fabe2b6f557f52cd0550c3e051cff18c44d33; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS
WITH s0 AS (
    SELECT
      "ID" AS c0,
      TO_BINARY("CARRIER", 'UTF-8') AS c1,
      CAST("DISTANCE" AS FLOAT) AS c3
    FROM "SHOP"."FLIGHTS"
),
s1 AS (
    SELECT
      c0,
      CASE WHEN c1 IS NULL THEN NULL WHEN c1 = TO_BINARY('UA', 'UTF-8') THEN 0::FLOAT WHEN c1 = TO_BINARY('O\'Hare', 'UTF-8') THEN 1::FLOAT WHEN c1 = TO_BINARY('ü\\', 'UTF-8') THEN 7::FLOAT ELSE -1::FLOAT END AS c2,
      CASE WHEN (c3 <> c3 OR c3 = 'NaN'::FLOAT) THEN NULL ELSE c3 END AS c4
    FROM s0
),
s2 AS (
    SELECT
      c0,
      (1::FLOAT/2)
      + CASE WHEN c4 > (3::FLOAT/2) THEN CASE WHEN c4 <= (161::FLOAT/4) THEN (-1::FLOAT/4) ELSE (3::FLOAT/4) END ELSE (1::FLOAT/8) END
      + CASE WHEN c2 BETWEEN 0::FLOAT AND 2::FLOAT OR c2 IN (7::FLOAT) THEN (3::FLOAT/8) ELSE -2::FLOAT END AS c5
    FROM s1
),
s3 AS (
    SELECT
      c0, c5,
      CASE WHEN c5 > (3::FLOAT/9007199254740992/2) THEN 1::FLOAT ELSE 0::FLOAT END AS c8
    FROM s2
)
SELECT
  c0 AS "ID",
  CASE WHEN c8 = 0::FLOAT THEN 'on time' WHEN c8 = 1::FLOAT THEN 'late' END AS "PREDICTION",
  CASE WHEN c5 < (-6243314768165359::FLOAT/8796093022208) THEN 0::FLOAT WHEN c5 > 40::FLOAT THEN 1::FLOAT ELSE 1::FLOAT / (1::FLOAT + EXP((-c5))) END AS "PROBABILITY",
  c5 AS "MARGIN"
FROM s3;
-- Undo: DROP VIEW IF EXISTS "FORESQL"."MODELS"."SCORE_DELAY_V2";

-- ==== switch =================================================================================

-- 8 of 10: Let "FORESQL"."SERVING"."SCORE_DELAY" be version 2.
CREATE OR REPLACE SECURE VIEW "FORESQL"."SERVING"."SCORE_DELAY"
COPY GRANTS
COMMENT = 'foresql delay@champion is version 2, in SQL alone'
AS
SELECT *
FROM "FORESQL"."MODELS"."SCORE_DELAY_V2";
-- Undo: CREATE OR REPLACE SECURE VIEW "FORESQL"."SERVING"."SCORE_DELAY"
--       COPY GRANTS
--       COMMENT = 'foresql delay@champion is version 1, in SQL alone'
--       AS
--       SELECT *
--       FROM "FORESQL"."MODELS"."SCORE_DELAY_V1";

-- 9 of 10: Let callers read "FORESQL"."SERVING"."SCORE_DELAY".
GRANT SELECT ON VIEW "FORESQL"."SERVING"."SCORE_DELAY" TO ROLE "FORESQL_CALLER";

-- ==== record =================================================================================

-- 10 of 10: Note the deployment in the history.
INSERT INTO "FORESQL"."MODELS"."SQL_DEPLOYMENTS" ("MODEL", "ALIAS", "VERSION", "PREVIOUS_VERSION", "ACTION", "BUNDLE_SHA256", "ARTIFACT_SHA256", "STAGE_PATH", "FUNCTIONS", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT", "DEPLOYED_BY")
SELECT
    'delay' AS "MODEL",
    'champion' AS "ALIAS",
    2 AS "VERSION",
    1 AS "PREVIOUS_VERSION",
    'deploy' AS "ACTION",
    '9917bba1060b327cb87ef1d38f8fabe2b6f557f52cd0550c3e051cff18c44d33' AS "BUNDLE_SHA256",
    NULL AS "ARTIFACT_SHA256",
    NULL AS "STAGE_PATH",
    'SCORE_DELAY_V2, SCORE_DELAY' AS "FUNCTIONS",
    12345 AS "CERTIFIED_ROWS",
    'kernel, duckdb' AS "CERTIFIED_ROUTES",
    (2535301200456459::FLOAT/9007199254740992/1125899906842624) AS "LARGEST_DIFFERENCE",
    CURRENT_TIMESTAMP() AS "DEPLOYED_AT",
    CURRENT_USER() AS "DEPLOYED_BY"
WHERE NOT EXISTS (
    SELECT 1
    FROM (
        SELECT "VERSION", "ACTION"
        FROM "FORESQL"."MODELS"."SQL_DEPLOYMENTS"
        WHERE "MODEL" = 'delay' AND "ALIAS" = 'champion'
        QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1
    ) AS "last"
    WHERE "VERSION" = 2 AND ("ACTION" = 'undeploy') = FALSE
);
