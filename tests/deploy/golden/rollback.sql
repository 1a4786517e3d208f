-- Roll delay@champion back to delay:1 in Snowflake
--
-- Model delay, version 1, bundle sha256
--   9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687.
-- It is certified against the library on 12,345 rows by kernel, duckdb; largest difference
--   2.5e-16.
-- Run by FORESQL_DEPLOYER; FORESQL_CALLER may call what it makes.
-- Versions: "FORESQL"."MODELS". Aliases: "FORESQL"."SERVING".
-- delay@champion is switched from delay:2 back to delay:1, whose functions are still there.
--   Nothing is uploaded or dropped.
-- The steps run in order, and the first error ends them: a failed check is an error of
--   TO_NUMBER that holds the message. By hand, in the folder of the uploaded file: snow sql
--   --enable-templating NONE -f FILE. Run again, it changes nothing.

-- ==== prepare ================================================================================

-- 1 of 13: Act as the role that owns the functions.
USE ROLE "FORESQL_DEPLOYER";

-- 2 of 13: Stop if delay@champion is at another version than 1 or 2.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay@champion is at another version here than this plan was made for: ' || MIN("VERSION") || '. Make the plan again.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "ALIAS" = 'champion' AND "VERSION" NOT IN (1, 2);

-- ==== check ==================================================================================

-- 3 of 13: Stop unless golden rows get the certified answers from PREDICT_DELAY_V1 and
--   PREDICT_PROBA_DELAY_V1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 2 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 2 golden rows of delay:1 are not answered as certified by "FORESQL"."MODELS"."PREDICT_DELAY_V1", "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
    SELECT
        "golden".*,
        "FORESQL"."MODELS"."PREDICT_DELAY_V1"("DISTANCE"::FLOAT, "CARRIER"::VARCHAR) AS "answer of predict",
        "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V1"("DISTANCE"::FLOAT, "CARRIER"::VARCHAR) AS "answer of predict_proba"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", 'UA' AS "CARRIER", 'late' AS "LABEL OF 1", (3292395142304061::FLOAT/4503599627370496) AS "LOW OF 2", (25721837049251::FLOAT/35184372088832) AS "HIGH OF 2" UNION ALL
        SELECT 1, (0::FLOAT * (-1)::FLOAT), 'O\'Hare', 'late', (3292395142304061::FLOAT/4503599627370496), (25721837049251::FLOAT/35184372088832)
    ) AS "golden"
) AS "answered"
WHERE NOT (
    "answer of predict" IS NOT DISTINCT FROM "LABEL OF 1"
    AND COALESCE("answer of predict_proba", 'NaN'::FLOAT) BETWEEN "LOW OF 2" AND "HIGH OF 2"
);

-- 4 of 13: Stop unless golden rows get the certified answers from EXPLAIN_DELAY_V1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 2 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 2 golden rows of delay:1 are not answered as certified by "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
    SELECT
        "golden".*,
        "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"("DISTANCE"::FLOAT, "CARRIER"::VARCHAR) AS "answer of explain"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", 'UA' AS "CARRIER", (-4503599627388511::FLOAT/9007199254740992) AS "LOW OF 1", (-4503599627352481::FLOAT/9007199254740992) AS "HIGH OF 1", (-4503599627388511::FLOAT/9007199254740992) AS "LOW OF 2", (-4503599627352481::FLOAT/9007199254740992) AS "HIGH OF 2", (562949953420749::FLOAT/281474976710656) AS "LOW OF 3", (4503599627375001::FLOAT/2251799813685248) AS "HIGH OF 3" UNION ALL
        SELECT 1, (0::FLOAT * (-1)::FLOAT), 'O\'Hare', (-4503599627388511::FLOAT/9007199254740992), (-4503599627352481::FLOAT/9007199254740992), (-4503599627388511::FLOAT/9007199254740992), (-4503599627352481::FLOAT/9007199254740992), (562949953420749::FLOAT/281474976710656), (4503599627375001::FLOAT/2251799813685248)
    ) AS "golden"
) AS "answered"
WHERE NOT (
    COALESCE(GET("answer of explain", 'base_value')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 1" AND "HIGH OF 1"
    AND COALESCE(GET(GET("answer of explain", 'contributions'), 'distance')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 2" AND "HIGH OF 2"
    AND COALESCE(GET(GET("answer of explain", 'contributions'), 'carrier')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 3" AND "HIGH OF 3"
);

-- ==== switch =================================================================================

-- 5 of 13: Let "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR) call version 1.
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
-- Undo: CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY"(
--           "DISTANCE" FLOAT,
--           "CARRIER" VARCHAR
--       )
--       COPY GRANTS
--       RETURNS VARCHAR
--       LANGUAGE SQL
--       IMMUTABLE
--       COMMENT = 'foresql delay@champion is version 2; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
--       AS $$
--           "FORESQL"."MODELS"."PREDICT_DELAY_V2"("DISTANCE", "CARRIER")
--       $$;

-- 6 of 13: Let callers call "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 7 of 13: Let "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR) call version 1.
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
-- Undo: CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(
--           "DISTANCE" FLOAT,
--           "CARRIER" VARCHAR
--       )
--       COPY GRANTS
--       RETURNS FLOAT
--       LANGUAGE SQL
--       IMMUTABLE
--       COMMENT = 'foresql delay@champion is version 2; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
--       AS $$
--           "FORESQL"."MODELS"."PREDICT_PROBA_DELAY_V2"("DISTANCE", "CARRIER")
--       $$;

-- 8 of 13: Let callers call "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."PREDICT_PROBA_DELAY"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 9 of 13: Let "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR) call version 1.
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
-- Undo: CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."EXPLAIN_DELAY"(
--           "DISTANCE" FLOAT,
--           "CARRIER" VARCHAR
--       )
--       COPY GRANTS
--       RETURNS OBJECT
--       LANGUAGE SQL
--       IMMUTABLE
--       COMMENT = 'foresql delay@champion is version 2; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
--       AS $$
--           "FORESQL"."MODELS"."EXPLAIN_DELAY_V2"("DISTANCE", "CARRIER")
--       $$;

-- 10 of 13: Let callers call "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT, VARCHAR) TO ROLE "FORESQL_CALLER";

-- 11 of 13: Let "FORESQL"."SERVING"."VERSION_DELAY"() say so.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."VERSION_DELAY"()
COPY GRANTS
RETURNS NUMBER(38, 0)
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql: the version that delay@champion is at'
AS $$
    1::NUMBER(38, 0)
$$;
-- Undo: CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."VERSION_DELAY"()
--       COPY GRANTS
--       RETURNS NUMBER(38, 0)
--       LANGUAGE SQL
--       IMMUTABLE
--       COMMENT = 'foresql: the version that delay@champion is at'
--       AS $$
--           2::NUMBER(38, 0)
--       $$;

-- 12 of 13: Let callers call "FORESQL"."SERVING"."VERSION_DELAY"().
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."VERSION_DELAY"() TO ROLE "FORESQL_CALLER";

-- ==== record =================================================================================

-- 13 of 13: Note the rollback in the history.
INSERT INTO "FORESQL"."MODELS"."DEPLOYMENTS" ("MODEL", "ALIAS", "VERSION", "PREVIOUS_VERSION", "ACTION", "BUNDLE_SHA256", "ARTIFACT_SHA256", "STAGE_PATH", "FUNCTIONS", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT", "DEPLOYED_BY")
SELECT
    'delay' AS "MODEL",
    'champion' AS "ALIAS",
    1 AS "VERSION",
    2 AS "PREVIOUS_VERSION",
    'rollback' AS "ACTION",
    '9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687' AS "BUNDLE_SHA256",
    NULL AS "ARTIFACT_SHA256",
    NULL AS "STAGE_PATH",
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
