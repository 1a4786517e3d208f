-- What dbt needs beside the models. Run once by a role that may create databases and roles, after
-- the models' own setup made FORESQL_CALLER. Put your warehouse for FORESQL_WH.
CREATE DATABASE IF NOT EXISTS FLIGHTS;
CREATE ROLE IF NOT EXISTS FORESQL_DBT;

-- It makes the schemas RAW and DELAYS, and so owns what is in them; it calls models, and that is all.
GRANT USAGE, CREATE SCHEMA ON DATABASE FLIGHTS TO ROLE FORESQL_DBT;
GRANT USAGE ON WAREHOUSE FORESQL_WH TO ROLE FORESQL_DBT;
GRANT ROLE FORESQL_CALLER TO ROLE FORESQL_DBT;

-- The user that dbt runs as:
-- GRANT ROLE FORESQL_DBT TO USER ...;
