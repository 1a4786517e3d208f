-- Set up an account for foresql
--
-- Three roles: FORESQL_DEPLOYER creates and switches functions, FORESQL_CALLER calls them,
--   FORESQL_OPERATOR watches and restarts what runs on a schedule.
-- Versions: "FORESQL"."MODELS". What callers see: "FORESQL"."SERVING".
-- Run once by a user who has ACCOUNTADMIN, SECURITYADMIN, SYSADMIN and USERADMIN: snow sql
--   --enable-templating NONE -f FILE. Run again, it changes nothing.
-- Then grant the roles to users, and to the deployer SELECT on the tables on which versions are
--   to be compared.

-- ==== prepare ================================================================================

-- 1 of 47: Act as USERADMIN.
USE ROLE USERADMIN;

-- ==== create =================================================================================

-- 2 of 47: Create the role that creates and switches functions of models.
CREATE ROLE IF NOT EXISTS "FORESQL_DEPLOYER" COMMENT = 'foresql: creates and switches functions of models';

-- 3 of 47: Put it below the administrators, as Snowflake advises.
GRANT ROLE "FORESQL_DEPLOYER" TO ROLE SYSADMIN;

-- 4 of 47: Create the role that calls functions of models.
CREATE ROLE IF NOT EXISTS "FORESQL_CALLER" COMMENT = 'foresql: calls functions of models';

-- 5 of 47: Put it below the administrators, as Snowflake advises.
GRANT ROLE "FORESQL_CALLER" TO ROLE SYSADMIN;

-- 6 of 47: Create the role that watches and restarts what scores on a schedule.
CREATE ROLE IF NOT EXISTS "FORESQL_OPERATOR" COMMENT = 'foresql: watches and restarts what scores on a schedule';

-- 7 of 47: Put it below the administrators, as Snowflake advises.
GRANT ROLE "FORESQL_OPERATOR" TO ROLE SYSADMIN;

-- ==== prepare ================================================================================

-- 8 of 47: Act as SYSADMIN.
USE ROLE SYSADMIN;

-- ==== create =================================================================================

-- 9 of 47: Create the database.
CREATE DATABASE IF NOT EXISTS "FORESQL" COMMENT = 'foresql: models as functions';

-- 10 of 47: Create the schema of versions.
CREATE SCHEMA IF NOT EXISTS "FORESQL"."MODELS" COMMENT = 'foresql: versions of models, which never change';

-- 11 of 47: Create the schema of what callers see.
CREATE SCHEMA IF NOT EXISTS "FORESQL"."SERVING" COMMENT = 'foresql: what callers see; aliases point to versions';

-- 12 of 47: Create the stage of the bundles, inside Snowflake and encrypted there.
CREATE STAGE IF NOT EXISTS "FORESQL"."MODELS"."BUNDLES" ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE') DIRECTORY = (ENABLE = FALSE) COMMENT = 'foresql: files in folders named after their hash';

-- 13 of 47: Create the history of deployments.
CREATE TABLE IF NOT EXISTS "FORESQL"."MODELS"."DEPLOYMENTS" (
    "MODEL" VARCHAR NOT NULL COMMENT 'the model in the registry',
    "ALIAS" VARCHAR COMMENT 'the alias that was switched; NULL where none was',
    "VERSION" NUMBER(38, 0) NOT NULL COMMENT 'the version that was deployed, or dropped',
    "PREVIOUS_VERSION" NUMBER(38, 0) COMMENT 'the version that the alias was at before',
    "ACTION" VARCHAR NOT NULL COMMENT 'deploy, rollback or undeploy',
    "BUNDLE_SHA256" VARCHAR NOT NULL COMMENT 'the hash of the bundle in the registry',
    "ARTIFACT_SHA256" VARCHAR COMMENT 'the hash of the code and data that run here',
    "STAGE_PATH" VARCHAR COMMENT 'the file on the stage; NULL where the functions hold it',
    "FUNCTIONS" VARCHAR NOT NULL COMMENT 'the functions of the version and of the alias',
    "CERTIFIED_ROWS" NUMBER(38, 0) COMMENT 'the rows on which the gate compared the version',
    "CERTIFIED_ROUTES" VARCHAR COMMENT 'the routes that it compared with the library',
    "LARGEST_DIFFERENCE" FLOAT COMMENT 'the largest relative difference that it found',
    "DEPLOYED_AT" TIMESTAMP_LTZ NOT NULL COMMENT 'when',
    "DEPLOYED_BY" VARCHAR NOT NULL COMMENT 'the user'
)
COMMENT = 'foresql: what was deployed, by whom and when; rows are only added';

-- 14 of 47: Create the history of deployments as SQL alone.
CREATE TABLE IF NOT EXISTS "FORESQL"."MODELS"."SQL_DEPLOYMENTS" (
    "MODEL" VARCHAR NOT NULL COMMENT 'the model in the registry',
    "ALIAS" VARCHAR COMMENT 'the alias that was switched; NULL where none was',
    "VERSION" NUMBER(38, 0) NOT NULL COMMENT 'the version that was deployed, or dropped',
    "PREVIOUS_VERSION" NUMBER(38, 0) COMMENT 'the version that the alias was at before',
    "ACTION" VARCHAR NOT NULL COMMENT 'deploy, rollback or undeploy',
    "BUNDLE_SHA256" VARCHAR NOT NULL COMMENT 'the hash of the bundle in the registry',
    "ARTIFACT_SHA256" VARCHAR COMMENT 'the hash of the code and data that run here',
    "STAGE_PATH" VARCHAR COMMENT 'the file on the stage; NULL where the functions hold it',
    "FUNCTIONS" VARCHAR NOT NULL COMMENT 'the functions of the version and of the alias',
    "CERTIFIED_ROWS" NUMBER(38, 0) COMMENT 'the rows on which the gate compared the version',
    "CERTIFIED_ROUTES" VARCHAR COMMENT 'the routes that it compared with the library',
    "LARGEST_DIFFERENCE" FLOAT COMMENT 'the largest relative difference that it found',
    "DEPLOYED_AT" TIMESTAMP_LTZ NOT NULL COMMENT 'when',
    "DEPLOYED_BY" VARCHAR NOT NULL COMMENT 'the user'
)
COMMENT = 'foresql: what was deployed, by whom and when; rows are only added';

-- 15 of 47: Create the view of what each alias is at.
CREATE OR REPLACE VIEW "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
COPY GRANTS
COMMENT = 'foresql: the version that each alias is at'
AS
SELECT *
FROM (
    SELECT *
    FROM "FORESQL"."MODELS"."DEPLOYMENTS"
    WHERE "ALIAS" IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (PARTITION BY "MODEL", "ALIAS" ORDER BY "DEPLOYED_AT" DESC) = 1
)
WHERE "ACTION" <> 'undeploy';

-- 16 of 47: Create the same view of deployments as SQL alone.
CREATE OR REPLACE VIEW "FORESQL"."MODELS"."CURRENT_SQL_DEPLOYMENTS"
COPY GRANTS
COMMENT = 'foresql: the version that each alias is at'
AS
SELECT *
FROM (
    SELECT *
    FROM "FORESQL"."MODELS"."SQL_DEPLOYMENTS"
    WHERE "ALIAS" IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (PARTITION BY "MODEL", "ALIAS" ORDER BY "DEPLOYED_AT" DESC) = 1
)
WHERE "ACTION" <> 'undeploy';

-- 17 of 47: Create MODEL_CATALOG: what callers may know of it.
CREATE OR REPLACE SECURE VIEW "FORESQL"."SERVING"."MODEL_CATALOG"
COPY GRANTS
COMMENT = 'foresql: the models that can be called, and what they were certified on'
AS
SELECT "MODEL", "ALIAS", "VERSION", "FUNCTIONS", "BUNDLE_SHA256", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT"
FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"
UNION ALL
SELECT "MODEL", "ALIAS", "VERSION", "FUNCTIONS", "BUNDLE_SHA256", "CERTIFIED_ROWS", "CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT"
FROM "FORESQL"."MODELS"."CURRENT_SQL_DEPLOYMENTS";

-- ==== prepare ================================================================================

-- 18 of 47: Act as SECURITYADMIN.
USE ROLE SECURITYADMIN;

-- ==== grant ==================================================================================

-- 19 of 47: FORESQL_DEPLOYER: to find the schemas.
GRANT USAGE ON DATABASE "FORESQL" TO ROLE "FORESQL_DEPLOYER";

-- 20 of 47: FORESQL_DEPLOYER: to create the functions, or the tables and views, of a version.
GRANT USAGE, CREATE FUNCTION, CREATE TABLE, CREATE VIEW ON SCHEMA "FORESQL"."MODELS" TO ROLE "FORESQL_DEPLOYER";

-- 21 of 47: FORESQL_DEPLOYER: to switch aliases: functions and views over those of a version.
GRANT USAGE, CREATE FUNCTION, CREATE VIEW ON SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_DEPLOYER";

-- 22 of 47: FORESQL_DEPLOYER: to keep predictions of a table up to date.
GRANT CREATE TABLE, CREATE STREAM, CREATE TASK, CREATE DYNAMIC TABLE ON SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_DEPLOYER";

-- 23 of 47: FORESQL_DEPLOYER: to upload bundles, and to create functions from them.
GRANT READ, WRITE ON STAGE "FORESQL"."MODELS"."BUNDLES" TO ROLE "FORESQL_DEPLOYER";

-- 24 of 47: FORESQL_DEPLOYER: to note deployments; rows cannot be changed or deleted.
GRANT SELECT, INSERT ON TABLE "FORESQL"."MODELS"."DEPLOYMENTS" TO ROLE "FORESQL_DEPLOYER";

-- 25 of 47: FORESQL_DEPLOYER: to check what each alias is at.
GRANT SELECT ON VIEW "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS" TO ROLE "FORESQL_DEPLOYER";

-- 26 of 47: FORESQL_DEPLOYER: to note deployments; rows cannot be changed or deleted.
GRANT SELECT, INSERT ON TABLE "FORESQL"."MODELS"."SQL_DEPLOYMENTS" TO ROLE "FORESQL_DEPLOYER";

-- 27 of 47: FORESQL_DEPLOYER: to check what each alias is at.
GRANT SELECT ON VIEW "FORESQL"."MODELS"."CURRENT_SQL_DEPLOYMENTS" TO ROLE "FORESQL_DEPLOYER";

-- 28 of 47: FORESQL_CALLER: to find the schemas.
GRANT USAGE ON DATABASE "FORESQL" TO ROLE "FORESQL_CALLER";

-- 29 of 47: FORESQL_CALLER: to find the functions.
GRANT USAGE ON SCHEMA "FORESQL"."MODELS" TO ROLE "FORESQL_CALLER";

-- 30 of 47: FORESQL_CALLER: to call a fixed version, in tasks and dynamic tables.
GRANT USAGE ON FUTURE FUNCTIONS IN SCHEMA "FORESQL"."MODELS" TO ROLE "FORESQL_CALLER";

-- 31 of 47: FORESQL_CALLER: to find the functions.
GRANT USAGE ON SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_CALLER";

-- 32 of 47: FORESQL_CALLER: to call what an alias is at.
GRANT USAGE ON FUTURE FUNCTIONS IN SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_CALLER";

-- 33 of 47: FORESQL_CALLER: to read views that score a table.
GRANT SELECT ON FUTURE VIEWS IN SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_CALLER";

-- 34 of 47: FORESQL_CALLER: to see which models there are.
GRANT SELECT ON VIEW "FORESQL"."SERVING"."MODEL_CATALOG" TO ROLE "FORESQL_CALLER";

-- 35 of 47: FORESQL_CALLER: to call functions whose code is a file there.
GRANT READ ON STAGE "FORESQL"."MODELS"."BUNDLES" TO ROLE "FORESQL_CALLER";

-- 36 of 47: FORESQL_OPERATOR: to find the schemas.
GRANT USAGE ON DATABASE "FORESQL" TO ROLE "FORESQL_OPERATOR";

-- 37 of 47: FORESQL_OPERATOR: to find tasks and views.
GRANT USAGE ON SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_OPERATOR";

-- 38 of 47: FORESQL_OPERATOR: to suspend, resume and watch them.
GRANT OPERATE, MONITOR ON FUTURE TASKS IN SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_OPERATOR";

-- 39 of 47: FORESQL_OPERATOR: to suspend, resume and watch them.
GRANT OPERATE, MONITOR ON FUTURE DYNAMIC TABLES IN SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_OPERATOR";

-- 40 of 47: FORESQL_OPERATOR: to read monitoring views.
GRANT SELECT ON FUTURE VIEWS IN SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_OPERATOR";

-- 41 of 47: FORESQL_OPERATOR: to see which version each alias is at.
GRANT SELECT ON VIEW "FORESQL"."SERVING"."MODEL_CATALOG" TO ROLE "FORESQL_OPERATOR";

-- 42 of 47: FORESQL_DEPLOYER: to run its queries.
GRANT USAGE ON WAREHOUSE "SCORING" TO ROLE "FORESQL_DEPLOYER";

-- 43 of 47: FORESQL_CALLER: to run its queries.
GRANT USAGE ON WAREHOUSE "SCORING" TO ROLE "FORESQL_CALLER";

-- 44 of 47: FORESQL_OPERATOR: to run its queries.
GRANT USAGE ON WAREHOUSE "SCORING" TO ROLE "FORESQL_OPERATOR";

-- ==== prepare ================================================================================

-- 45 of 47: Act as ACCOUNTADMIN.
USE ROLE ACCOUNTADMIN;

-- ==== grant ==================================================================================

-- 46 of 47: FORESQL_DEPLOYER: to install numpy and pandas where functions run.
GRANT DATABASE ROLE SNOWFLAKE.PYPI_REPOSITORY_USER TO ROLE "FORESQL_DEPLOYER";

-- 47 of 47: FORESQL_DEPLOYER: to let its tasks run, which they do as their owner.
GRANT EXECUTE TASK, EXECUTE MANAGED TASK ON ACCOUNT TO ROLE "FORESQL_DEPLOYER";
