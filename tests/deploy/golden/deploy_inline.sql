-- Deploy delay:1 to Snowflake
--
-- Model delay, version 1, bundle sha256
--   9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687.
-- It is certified against the library on 12,345 rows by kernel, duckdb; largest difference
--   2.5e-16.
-- Run by FORESQL_DEPLOYER; FORESQL_CALLER may call what it makes.
-- Versions: "FORESQL"."MODELS". Aliases: "FORESQL"."SERVING".
-- What runs there: sha256 4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331, 24
--   bytes, in the functions' bodies.
-- There is no predict_proba: the model gives no class probabilities.
-- There is no interval: intervals need calibration rows: publish a regression with
--   calibration=(X, y).
-- delay@challenger is switched from nothing to delay:1.
-- Call it by position: "FORESQL"."SERVING"."PREDICT_DELAY_CHALLENGER"(f."DISTANCE"), or by
--   name.
-- The steps run in order, and the first error ends them: a failed check is an error of
--   TO_NUMBER that holds the message. By hand, in the folder of the uploaded file: snow sql
--   --enable-templating NONE -f FILE. Run again, it changes nothing.

-- ==== prepare ================================================================================

-- 1 of 19: Act as the role that owns the functions.
USE ROLE "FORESQL_DEPLOYER";

-- 2 of 19: Use the warehouse that runs the checks.
USE WAREHOUSE "SCORING";

-- 3 of 19: Stop if another model has functions of the same names.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: functions of delay would have the names of another model\'s: ' || MIN("MODEL") || '. Publish it under another name.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."DEPLOYMENTS"
WHERE "MODEL" <> 'delay' AND (
    CONTAINS(', ' || "FUNCTIONS" || ', ', ', PREDICT_DELAY_V1, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', EXPLAIN_DELAY_V1, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', PREDICT_DELAY_CHALLENGER, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', EXPLAIN_DELAY_CHALLENGER, ')
    OR CONTAINS(', ' || "FUNCTIONS" || ', ', ', VERSION_DELAY_CHALLENGER, ')
);

-- 4 of 19: Stop if delay:1 was deployed from another bundle.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:1 was deployed from another bundle, with sha256 ' || MIN("BUNDLE_SHA256") || '. Versions never change: deploy from the registry that it came from.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "VERSION" = 1 AND "BUNDLE_SHA256" <> '9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687';

-- 5 of 19: Stop if delay@challenger is at another version than 1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay@challenger is at another version here than this plan was made for: ' || MIN("VERSION") || '. Make the plan again.') END AS "PROBLEMS"
FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
WHERE "MODEL" = 'delay' AND "ALIAS" = 'challenger' AND "VERSION" NOT IN (1);

-- ==== create =================================================================================

-- 6 of 19: Stop if delay:1 is there with other code and data: callers may use it.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER('foresql: delay:1 is here with the code and data of another foresql, with sha256 ' || MIN("ARTIFACT_SHA256") || '. It stays as it is: deploy it with a connection, or make the plan again with --previous 1.') END AS "PROBLEMS"
FROM (
    SELECT "ACTION", "ARTIFACT_SHA256"
    FROM "FORESQL"."MODELS"."DEPLOYMENTS"
    WHERE "MODEL" = 'delay' AND "VERSION" = 1 AND ("ACTION" = 'undeploy' OR "ARTIFACT_SHA256" IS NOT NULL)
    QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1
) AS "last"
WHERE "ACTION" <> 'undeploy' AND "ARTIFACT_SHA256" <> '4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331';

-- 7 of 19: Create PREDICT_DELAY_V1. No one calls it yet.
CREATE OR REPLACE SECURE FUNCTION "FORESQL"."MODELS"."PREDICT_DELAY_V1"(
    "DISTANCE" FLOAT
)
COPY GRANTS
RETURNS FLOAT
LANGUAGE PYTHON
CALLED ON NULL INPUT
IMMUTABLE
RUNTIME_VERSION = '3.11'
ARTIFACT_REPOSITORY = snowflake.snowpark.pypi_shared_repository
PACKAGES = ('numpy==2.3.5', 'pandas==2.3.3')
HANDLER = 'predict'
COMMENT = 'foresql delay:1; bundle sha256:9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687; artifact sha256:4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
def predict(frame):
    return frame[0]
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_DELAY_V1"(FLOAT);

-- 8 of 19: Create EXPLAIN_DELAY_V1. No one calls it yet.
CREATE OR REPLACE SECURE FUNCTION "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(
    "DISTANCE" FLOAT
)
COPY GRANTS
RETURNS OBJECT
LANGUAGE PYTHON
CALLED ON NULL INPUT
IMMUTABLE
RUNTIME_VERSION = '3.11'
ARTIFACT_REPOSITORY = snowflake.snowpark.pypi_shared_repository
PACKAGES = ('numpy==2.3.5', 'pandas==2.3.3')
HANDLER = 'explain'
COMMENT = 'foresql delay:1; bundle sha256:9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687; artifact sha256:4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
def predict(frame):
    return frame[0]
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(FLOAT);

-- ==== check ==================================================================================

-- 9 of 19: Stop unless golden rows get the certified answers from PREDICT_DELAY_V1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 3 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 3 golden rows of delay:1 are not answered as certified by "FORESQL"."MODELS"."PREDICT_DELAY_V1"; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
    SELECT
        "golden".*,
        "FORESQL"."MODELS"."PREDICT_DELAY_V1"("DISTANCE"::FLOAT) AS "answer of predict"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", -1::FLOAT AS "LOW OF 1", -1::FLOAT AS "HIGH OF 1" UNION ALL
        SELECT 1, 2::FLOAT, 2::FLOAT, 2::FLOAT UNION ALL
        SELECT 2, NULL, -1::FLOAT, -1::FLOAT
    ) AS "golden"
) AS "answered"
WHERE NOT (
    COALESCE("answer of predict", 'NaN'::FLOAT) BETWEEN "LOW OF 1" AND "HIGH OF 1"
);

-- 10 of 19: Stop unless golden rows get the certified answers from EXPLAIN_DELAY_V1.
SELECT
    CASE WHEN COUNT(*) = 0 THEN 3 ELSE TO_NUMBER('foresql: ' || COUNT(*) || ' of 3 golden rows of delay:1 are not answered as certified by "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"; the first is row ' || MIN("ROW")) END AS "GOLDEN_ROWS_PASSED"
FROM (
    SELECT
        "golden".*,
        "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"("DISTANCE"::FLOAT) AS "answer of explain"
    FROM (
        SELECT 0 AS "ROW", (3::FLOAT/2) AS "DISTANCE", (9007199254713969::FLOAT/9007199254740992/2) AS "LOW OF 1", (562949953423001::FLOAT/1125899906842624) AS "HIGH OF 1", (-1688849860265625::FLOAT/1125899906842624) AS "LOW OF 2", (-1688849860262247::FLOAT/1125899906842624) AS "HIGH OF 2" UNION ALL
        SELECT 1, 2::FLOAT, (9007199254713969::FLOAT/9007199254740992/2), (562949953423001::FLOAT/1125899906842624), (1688849860262247::FLOAT/1125899906842624), (1688849860265625::FLOAT/1125899906842624) UNION ALL
        SELECT 2, NULL, (9007199254713969::FLOAT/9007199254740992/2), (562949953423001::FLOAT/1125899906842624), (-1688849860265625::FLOAT/1125899906842624), (-1688849860262247::FLOAT/1125899906842624)
    ) AS "golden"
) AS "answered"
WHERE NOT (
    COALESCE(GET("answer of explain", 'base_value')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 1" AND "HIGH OF 1"
    AND COALESCE(GET(GET("answer of explain", 'contributions'), 'distance')::FLOAT, 'NaN'::FLOAT) BETWEEN "LOW OF 2" AND "HIGH OF 2"
);

-- ==== grant ==================================================================================

-- 11 of 19: Let callers call PREDICT_DELAY_V1, in tasks and dynamic tables too.
GRANT USAGE ON FUNCTION "FORESQL"."MODELS"."PREDICT_DELAY_V1"(FLOAT) TO ROLE "FORESQL_CALLER";

-- 12 of 19: Let callers call EXPLAIN_DELAY_V1, in tasks and dynamic tables too.
GRANT USAGE ON FUNCTION "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(FLOAT) TO ROLE "FORESQL_CALLER";

-- ==== switch =================================================================================

-- 13 of 19: Let "FORESQL"."SERVING"."PREDICT_DELAY_CHALLENGER"(FLOAT) call version 1.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY_CHALLENGER"(
    "DISTANCE" FLOAT
)
COPY GRANTS
RETURNS FLOAT
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql delay@challenger is version 1; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
    "FORESQL"."MODELS"."PREDICT_DELAY_V1"("DISTANCE")
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."PREDICT_DELAY_CHALLENGER"(FLOAT);

-- 14 of 19: Let callers call "FORESQL"."SERVING"."PREDICT_DELAY_CHALLENGER"(FLOAT).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY_CHALLENGER"(FLOAT) TO ROLE "FORESQL_CALLER";

-- 15 of 19: Let "FORESQL"."SERVING"."EXPLAIN_DELAY_CHALLENGER"(FLOAT) call version 1.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."EXPLAIN_DELAY_CHALLENGER"(
    "DISTANCE" FLOAT
)
COPY GRANTS
RETURNS OBJECT
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql delay@challenger is version 1; certified against the library on 12,345 rows by kernel, duckdb; largest difference 2.5e-16'
AS $$
    "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"("DISTANCE")
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."EXPLAIN_DELAY_CHALLENGER"(FLOAT);

-- 16 of 19: Let callers call "FORESQL"."SERVING"."EXPLAIN_DELAY_CHALLENGER"(FLOAT).
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."EXPLAIN_DELAY_CHALLENGER"(FLOAT) TO ROLE "FORESQL_CALLER";

-- 17 of 19: Let "FORESQL"."SERVING"."VERSION_DELAY_CHALLENGER"() say so.
CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."VERSION_DELAY_CHALLENGER"()
COPY GRANTS
RETURNS NUMBER(38, 0)
LANGUAGE SQL
IMMUTABLE
COMMENT = 'foresql: the version that delay@challenger is at'
AS $$
    1::NUMBER(38, 0)
$$;
-- Undo: DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."VERSION_DELAY_CHALLENGER"();

-- 18 of 19: Let callers call "FORESQL"."SERVING"."VERSION_DELAY_CHALLENGER"().
GRANT USAGE ON FUNCTION "FORESQL"."SERVING"."VERSION_DELAY_CHALLENGER"() TO ROLE "FORESQL_CALLER";

-- ==== record =================================================================================

-- 19 of 19: Note the deployment in the history.
INSERT INTO "FORESQL"."MODELS"."DEPLOYMENTS" ("MODEL", "ALIAS", "VERSION", "PREVIOUS_VERSION", "ACTION", "BUNDLE_SHA256", "ARTIFACT_SHA256", "STAGE_PATH", "FUNCTIONS", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT", "DEPLOYED_BY")
SELECT
    'delay' AS "MODEL",
    'challenger' AS "ALIAS",
    1 AS "VERSION",
    NULL AS "PREVIOUS_VERSION",
    'deploy' AS "ACTION",
    '9144fb49f6a1389c29ffe24d7a2e34402ab0e7868aa391bc423a617dfbd47687' AS "BUNDLE_SHA256",
    '4fb82f14837045bcd0b832f8f72148a8b84a4f22635a766e27ba0c81f5ddd331' AS "ARTIFACT_SHA256",
    NULL AS "STAGE_PATH",
    'PREDICT_DELAY_V1, EXPLAIN_DELAY_V1, PREDICT_DELAY_CHALLENGER, EXPLAIN_DELAY_CHALLENGER, VERSION_DELAY_CHALLENGER' AS "FUNCTIONS",
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
        WHERE "MODEL" = 'delay' AND "ALIAS" = 'challenger'
        QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1
    ) AS "last"
    WHERE "VERSION" = 1 AND ("ACTION" = 'undeploy') = FALSE
);
