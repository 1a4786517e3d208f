-- The raw tables, from five CSV files in this folder, which README.md says how to write. Run by psql,
-- as a user that may create schemas; Postgres 15 or newer. All tables are replaced, or none.
-- DuckDB writes the shortest text that reads back as the same double, and Postgres reads it so.
\set ON_ERROR_STOP on
BEGIN;
CREATE SCHEMA IF NOT EXISTS raw;

CREATE TABLE IF NOT EXISTS raw.flights (
    year integer, month integer, day integer, dep_time integer, sched_dep_time integer,
    dep_delay integer, arr_time integer, sched_arr_time integer, arr_delay integer,
    carrier varchar, flight integer, tailnum varchar, origin varchar, dest varchar,
    air_time integer, distance bigint, hour integer, minute integer, time_hour timestamp
);
CREATE TABLE IF NOT EXISTS raw.weather (
    origin varchar, year integer, month integer, day integer, hour integer, temp double precision,
    dewp double precision, humid double precision, wind_dir double precision,
    wind_speed double precision, wind_gust double precision, precip double precision,
    pressure double precision, visib double precision, time_hour timestamp
);
CREATE TABLE IF NOT EXISTS raw.planes (
    tailnum varchar, year integer, type varchar, manufacturer varchar, model varchar,
    engines integer, seats integer, speed integer, engine varchar
);
CREATE TABLE IF NOT EXISTS raw.airports (
    faa varchar, name varchar, lat double precision, lon double precision, alt integer, tz integer,
    dst varchar, tzone varchar
);
CREATE TABLE IF NOT EXISTS raw.airlines (carrier varchar, name varchar);
CREATE TABLE IF NOT EXISTS raw.loads (table_name varchar, row_count bigint, loaded_at timestamp);

TRUNCATE raw.flights, raw.weather, raw.planes, raw.airports, raw.airlines;
\copy raw.flights from 'flights.csv' with (format csv, header match)
\copy raw.weather from 'weather.csv' with (format csv, header match)
\copy raw.planes from 'planes.csv' with (format csv, header match)
\copy raw.airports from 'airports.csv' with (format csv, header match)
\copy raw.airlines from 'airlines.csv' with (format csv, header match)

-- When what came in: `dbt source freshness` reads it.
INSERT INTO raw.loads (table_name, row_count, loaded_at)
SELECT table_name, row_count, now() AT TIME ZONE 'UTC'
FROM (
    SELECT 'flights' AS table_name, count(*) AS row_count FROM raw.flights
    UNION ALL SELECT 'weather', count(*) FROM raw.weather
    UNION ALL SELECT 'planes', count(*) FROM raw.planes
    UNION ALL SELECT 'airports', count(*) FROM raw.airports
    UNION ALL SELECT 'airlines', count(*) FROM raw.airlines
) AS counted;
COMMIT;
