-- Deploy delay:1 to Snowflake
--
-- Model delay, version 1, bundle sha256
--   9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687.
-- It is certified against the library on 12,345 rows by kernel, duckdb; largest difference
--   2.5e-16.
-- Run by FORESQL_DEPLOYER; FORESQL_CALLER may call what it makes.
-- Versions: "FORESQL"."MODELS". Aliases: "FORESQL"."SERVING".
-- What runs there: sha256 4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331, 24
--   bytes, uploaded as foresql_delay_v1_4fb82f14.zip.
-- There is no interval: intervals need calibration rows: publish a regression with
--   calibration=(X, y).
-- delay@champion is switched from nothing to delay:1.
-- Call it by position: "FORESQL"."SERVING"."PREDICT_DELAY"(f."DISTANCE", ...), or by name.
-- The steps run in order, and the first error ends them: a failed check is an error of
--   TO_NUMBER that holds the message. By hand, in the folder of the uploaded file: snow sql
--   --enable-templating NONE -f FILE. Run again, it changes nothing.

-- ==== prepare ================================================================================

-- 1 of 24: Act as the role that owns the functions.
USE ROLE "FORESQL_DEPLOYER";

-- 2 of 24: Stop if another model has functions of the same names.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: functions of delay would have the names of another model\'s: ' || MIN("MODEL") || '. Publish it under another name.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."DEPLOYMENTS"
WHERE "MODEL" <> 'delay' AND (
    CONTAINS(', ' || "FUNCTIONS" || ', ', ', PREDICT_DELAY_V1, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', PREDICT_PROBA_DELAY_V1, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', EXPLAIN_DELAY_V1, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', PREDICT_DELAY, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', PREDICT_PROBA_DELAY, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', EXPLAIN_DELAY, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', VERSION_DELAY, ')
);

-- 3 of 24: Stop if delay:1 was deployed from another bundle.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:1 was deployed from another bundle, with sha256 ' || MIN("BUNDLE_SHA256") || '. Versions never change: deploy from the registry that it came from.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "VERSION" = 1 AND "BUNDLE_SHA256" <> '9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687';

-- 4 of 24: Stop if delay@champion is at another version than 1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay@champion is at another version here than this plan was made for: ' || MIN("VERSION") || '. Make the plan again.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "ALIAS" = 'champion' AND "VERSION" NOT IN (1);

-- 5 of 24: Upload the code and data. The folder is named after their hash, so a file that is
--   there is the same, and is left as it is.
PUT 'file://foresql_delay_v1_4fb82f14.zip' @"FORESQL"."MODELS"."BUNDLES"/delay/v1-4fb82f14837045bc/ AUTO_COMPRESS = FALSE OVERWRITE = FALSE;

-- 6 of 24: Show the file on the stage: it has 24 bytes.
LIST @"FORESQL"."MODELS"."BUNDLES"/delay/v1-4fb82f14837045bc/;

-- ==== create =================================================================================

-- 7 of 24: Stop if delay:1 is there with other code and data: callers may use it.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:1 is here with the code and data of another foresql, with sha256 ' || MIN("ARTIFACT_SHA256") || '. It stays as it is: deploy it with a connection, or make the plan again with --previous 1.') END AS "PROBLEMS"
FROM (
    SELECT "ACTION", "ARTIFACT_SHA256"
    FROM "FORESQL"."MODELS"."DEPLOYMENTS"
    WHERE "MODEL" = 'delay' AND "VERSION" = 1 AND ("ACTION" = 'undeploy' OR "ARTIFACT_SHA256" IS NOT NULL)
    QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1
) AS "last"
WHERE "ACTION" <> 'undeploy' AND "ARTIFACT_SHA256" <> '4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331';

-- 8 of 24: Create PREDICT_DELAY_V1. No one calls it yet.
CREATE OR REPLACE SECURE FUNCTION "FORESQL"."MODELS"."PREDICT_DELAY_V1"(
    "DISTANCE" FLOAT,
    "CARRIER" VARCHAR
)
COPY GRANTS
RETURNS VARCHAR
LANGUAGE PYTHON
CALLED ON NULL INPUT
IMMUTABLE
RUNTIME_VERSION = '3.11'
ARTIFACT_REPOSITORY = snowflake.snowpark.pypi_shared_repository
PACKAGES = ('numpy==2.3.5', 'pandas==2.3.3')
IMPORTS = ('@"FORESQL"."MODELS"."BUNDLES"/delay/v1-4fb82f14837045bc/foresql_delay_v1_4fb82f14.zip')
HANDLER = 'foresql_delay_v1_4fb82f14.predict'
COMMENT = 'foresql delay:1; bundle sha256:9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687; artifact sha256:4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16';
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_DELAY_V1"(FLOAT, VARCHAR);

-- 9 of 24: Create PREDICT_PROBA_DELAY_V1. No one calls it yet.
CREATE OR REPLACE SECURE FUNCTION "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"(
    "DISTANCE" FLOAT,
    "CARRIER" VARCHAR
)
COPY GRANTS
RETURNS FLOAT
LANGUAGE PYTHON
CALLED ON NULL INPUT
IMMUTABLE
RUNTIME_VERSION = '3.11'
ARTIFACT_REPOSITORY = snowflake.snowpark.pypi_shared_repository
PACKAGES = ('numpy==2.3.5', 'pandas==2.3.3')
IMPORTS = ('@"FORESQL"."MODELS"."BUNDLES"/delay/v1-4fb82f14837045bc/foresql_delay_v1_4fb82f14.zip')
HANDLER = 'foresql_delay_v1_4fb82f14.predict_proba'
COMMENT = 'foresql delay:1; bundle sha256:9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687; artifact sha256:4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16';
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"(FLOAT, VARCHAR);

-- 10 of 24: Create EXPLAIN_DELAY_V1. No one calls it yet.
CREATE OR REPLACE SECURE FUNCTION "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(
    "DISTANCE" FLOAT,
    "CARRIER" VARCHAR
)
COPY GRANTS
RETURNS OBJECT
LANGUAGE PYTHON
CALLED ON NULL INPUT
IMMUTABLE
RUNTIME_VERSION = '3.11'
ARTIFACT_REPOSITORY = snowflake.snowpark.pypi_shared_repository
PACKAGES = ('numpy==2.3.5', 'pandas==2.3.3')
IMPORTS = ('@"FORESQL"."MODELS"."BUNDLES"/delay/v1-4fb82f14837045bc/foresql_delay_v1_4fb82f14.zip')
HANDLER = 'foresql_delay_v1_4fb82f14.explain'
COMMENT = 'foresql delay:1; bundle sha256:9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687; artifact sha256:4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16';
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(FLOAT, VARCHAR);

-- ==== check ==================================================================================

-- 11 of 24: Stop unless golden rows get the certified answers from PREDICT_DELAY_V1 and
--   PREDICT_PROBA_DELAY_V1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 3 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 3 golden rows of delay:1 are not answered as certified by "FORESQL"."MODELS"."PREDICT_DELAY_V1", "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
    SELECT
        "golden".*,
        "FORESQL"."MODELS"."PREDICT_DELAY_V1"("DISTANCE"::FLOAT, "CARRIER"::VARCHAR) AS "answer of predict",
        "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"("DISTANCE"::FLOAT, "CARRIER"::VARCHAR) AS "answer of predict_proba"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", 'UA' AS "CARRIER", 'late' AS "LABEL OF 1", (3292395142304061::FLOAT/4503599627370496) AS "LOW OF 2", (25721837049251::FLOAT/35184372088832) AS "HIGH OF 2" UNION ALL
        SELECT 1, (0::FLOAT * (-1)::FLOAT), 'O\'Hare', 'late', (3292395142304061::FLOAT/4503599627370496), (25721837049251::FLOAT/35184372088832) UNION ALL
        SELECT 2, 'inf'::FLOAT, 'ü\\"', 'on time', (5779402763384813::FLOAT/9007199254740992/2), (5779402763384931::FLOAT/9007199254740992/2)
    ) AS "golden"
) AS "answered"
WHERE NOT (
    "answer of predict" IS NOT DISTINCT FROM "LABEL OF 1"
    AND COALESCE("answer of predict_proba", 'NaN'::FLOAT) BETWEEN "LOW OF 2" AND "HIGH OF 2"
);

-- 12 of 24: Stop unless golden rows get the certified answers from EXPLAIN_DELAY_V1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 3 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 3 golden rows of delay:1 are not answered as certified by "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
    SELECT
        "golden".*,
        "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"("DISTANCE"::FLOAT, "CARRIER"::VARCHAR) AS "answer of explain"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", 'UA' AS "CARRIER", (-4503599627388511::FLOAT/9007199254740992) AS "LOW OF 1", (-4503599627352481::FLOAT/9007199254740992) AS "HIGH OF 1", (-4503599627388511::FLOAT/9007199254740992) AS "LOW OF 2", (-4503599627352481::FLOAT/9007199254740992) AS "HIGH OF 2", (562949953420749::FLOAT/281474976710656) AS "LOW OF 3", (4503599627375001::FLOAT/2251799813685248) AS "HIGH OF 3" UNION ALL
        SELECT 1, (0::FLOAT * (-1)::FLOAT), 'O\'Hare', (-4503599627388511::FLOAT/9007199254740992), (-4503599627352481::FLOAT/9007199254740992), (-4503599627388511::FLOAT/9007199254740992), (-4503599627352481::FLOAT/9007199254740992), (562949953420749::FLOAT/281474976710656), (4503599627375001::FLOAT/2251799813685248) UNION ALL
        SELECT 2, 'inf'::FLOAT, 'ü\\"', (-4503599627375001::FLOAT/9007199254740992), (-562949953420749::FLOAT/1125899906842624), (4503599627352481::FLOAT/9007199254740992/4), (4503599627388511::FLOAT/9007199254740992/4), (-422212465066547::FLOAT/1125899906842624), (-422212465065421::FLOAT/1125899906842624)
    ) AS "golden"
) AS "answered"
WHERE NOT (
    COALESCE(GET("answer of explain", 'base_value')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 1" AND "HIGH OF 1"
    AND COALESCE(GET(GET("answer of explain", 'contributions'), 'distance')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 2" AND "HIGH OF 2"
    AND COALESCE(GET(GET("answer of explain", 'contributions'), 'carrier')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 3" AND "HIGH OF 3"
);

-- ==== grant ==================================================================================

-- 13 of 24: Let callers call PREDICT_DELAY_V1, in tasks and dynamic tables too.
GRANT USAGE ON FUNCTION "FORESQL"."MODELS"."PREDICT_DELAY_V1"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 14 of 24: Let callers call PREDICT_PROBA_DELAY_V1, in tasks and dynamic tables too.
GRANT USAGE ON FUNCTION "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 15 of 24: Let callers call EXPLAIN_DELAY_V1, in tasks and dynamic tables too.
GRANT USAGE ON FUNCTION "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- ==== switch =================================================================================

-- 16 of 24: Let "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR) call version 1.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY"(
    "DISTANCE" FLOAT,
    "CARRIER" VARCHAR
)
COPY GRANTS
RETURNS VARCHAR
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql delay@champion is version 1; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
    "FORESQL"."MODELS"."PREDICT_DELAY_V1"("DISTANCE", "CARRIER")
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR);

-- 17 of 24: Let callers call "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 18 of 24: Let "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR) call version 1.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(
    "DISTANCE" FLOAT,
    "CARRIER" VARCHAR
)
COPY GRANTS
RETURNS FLOAT
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql delay@champion is version 1; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
    "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"("DISTANCE", "CARRIER")
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR);

-- 19 of 24: Let callers call "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 20 of 24: Let "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR) call version 1.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."EXPLAIN_DELAY"(
    "DISTANCE" FLOAT,
    "CARRIER" VARCHAR
)
COPY GRANTS
RETURNS OBJECT
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql delay@champion is version 1; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
    "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"("DISTANCE", "CARRIER")
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR);

-- 21 of 24: Let callers call "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 22 of 24: Let "FORESQL"."SERVING"."VERSION_DELAY"() say so.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."VERSION_DELAY"()
COPY GRANTS
RETURNS NUMBER(38, 0)
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql: the version that delay@champion is at'
AS $$
    1::NUMBER(38, 0)
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."VERSION_DELAY"();

-- 23 of 24: Let callers call "FORESQL"."SERVING"."VERSION_DELAY"().
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."VERSION_DELAY"() TO ROLE "FORESQL_CALLER";

-- ==== record =================================================================================

-- 24 of 24: Note the deployment in the history.
INSERT INTO "FORESQL"."MODELS"."DEPLOYMENTS" ("MODEL", "ALIAS", "VERSION", "PREVIOUS_VERSION", "ACTION", "BUNDLE_SHA256", "ARTIFACT_SHA256", "STAGE_PATH", "FUNCTIONS", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT", "DEPLOYED_BY")
SELECT
    'delay' AS "MODEL",
    'champion' AS "ALIAS",
    1 AS "VERSION",
    NULL AS "PREVIOUS_VERSION",
    'deploy' AS "ACTION",
    '9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687' AS "BUNDLE_SHA256",
    '4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331' AS "ARTIFACT_SHA256",
    'delay/v1-4fb82f14837045bc/foresql_delay_v1_4fb82f14.zip' AS "STAGE_PATH",
    'PREDICT_DELAY_V1, PREDICT_PROBA_DELAY_V1, EXPLAIN_DELAY_V1, PREDICT_DELAY, PREDICT_PROBA_DELAY, EXPLAIN_DELAY, VERSION_DELAY' AS "FUNCTIONS",
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
    WHERE "VERSION" = 1 AND ("ACTION" = 'undeploy') = FALSE
);
