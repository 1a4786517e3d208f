-- Drop delay:1 from Snowflake
--
-- Model delay, version 1, bundle sha256
--   9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687.
-- It is certified against the library on 12,345 rows by kernel, duckdb; largest difference
--   2.5e-16.
-- Run by FORESQL_DEPLOYER; FORESQL_CALLER may call what it makes.
-- Versions: "FORESQL"."MODELS". Aliases: "FORESQL"."SERVING".
-- What delay:1 brought is dropped, and the functions of delay@champion with it.
-- The steps run in order, and the first error ends them: a failed check is an error of
--   TO_NUMBER that holds the message. By hand, in the folder of the uploaded file: snow sql
--   --enable-templating NONE -f FILE. Run again, it changes nothing.

-- ==== prepare ================================================================================

-- 1 of 12: Act as the role that owns the functions.
USE ROLE "FORESQL_DEPLOYER";

-- 2 of 12: Stop if another alias is at delay:1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:1 cannot be dropped, since an alias is at it: ' || MIN("ALIAS") || '. Deploy another version there first.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "VERSION" = 1 AND "ALIAS" <> 'champion';

-- 3 of 12: Stop if delay@champion is at another version than 1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay@champion is at another version here than this plan was made for: ' || MIN("VERSION") || '. Make the plan again.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "ALIAS" = 'champion' AND "VERSION" NOT IN (1);

-- ==== drop ===================================================================================

-- 4 of 12: Drop "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR).
DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR);

-- 5 of 12: Drop "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR).
DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR);

-- 6 of 12: Drop "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR).
DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR);

-- 7 of 12: Drop "FORESQL"."SERVING"."VERSION_DELAY"().
DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."VERSION_DELAY"();

-- 8 of 12: Drop PREDICT_DELAY_V1.
DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_DELAY_V1"(FLOAT, VARCHAR);

-- 9 of 12: Drop PREDICT_PROBA_DELAY_V1.
DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"(FLOAT, VARCHAR);

-- 10 of 12: Drop EXPLAIN_DELAY_V1.
DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(FLOAT, VARCHAR);

-- 11 of 12: Remove the version's file from the stage, if there is one. A file that another
--   foresql brought has another name, STAGE_PATH in "FORESQL"."MODELS"."DEPLOYMENTS", and
--   stays.
REMOVE @"FORESQL"."MODELS"."BUNDLES"/delay/v1-4fb82f14837045bc/foresql_delay_v1_4fb82f14.zip;

-- ==== record =================================================================================

-- 12 of 12: Note in the history what was dropped.
INSERT INTO "FORESQL"."MODELS"."DEPLOYMENTS" ("MODEL", "ALIAS", "VERSION", "PREVIOUS_VERSION", "ACTION", "BUNDLE_SHA256", "ARTIFACT_SHA256", "STAGE_PATH", "FUNCTIONS", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT", "DEPLOYED_BY")
SELECT
    'delay' AS "MODEL",
    'champion' AS "ALIAS",
    1 AS "VERSION",
    NULL AS "PREVIOUS_VERSION",
    'undeploy' AS "ACTION",
    '9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687' AS "BUNDLE_SHA256",
    NULL AS "ARTIFACT_SHA256",
    NULL AS "STAGE_PATH",
    'PREDICT_DELAY_V1, PREDICT_PROBA_DELAY_V1, EXPLAIN_DELAY_V1' AS "FUNCTIONS",
    12345 AS "CERTIFIED_ROWS",
    'kernel, duckdb' AS "CERTIFIED_ROUTES",
    (2535301200456459::FLOAT/9007199254740992/1125899906842624) AS "LARGEST_DIFFERENCE",
    CURRENT_TIMESTAMP() AS "DEPLOYED_AT",
    CURRENT_USER() AS "DEPLOYED_BY"
WHERE NOT EXISTS (
    SELECT 1
    FROM (
        SELECT "VERSION", "ACTION"
        FROM "FORESQL"."MODELS"."DEPLOYMENTS"
        WHERE "MODEL" = 'delay' AND "ALIAS" = 'champion'
        QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1
    ) AS "last"
    WHERE "VERSION" = 1 AND ("ACTION" = 'undeploy') = TRUE
);
