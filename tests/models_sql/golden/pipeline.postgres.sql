-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for PostgreSQL; what its claims rest on: run by the tests (PostgreSQL 18).
CREATE OR REPLACE VIEW "scored" AS
WITH s0 AS MATERIALIZED (
    SELECT
      "id" AS c0,
      CAST("a b" AS float8) AS c1,
      CAST("n" AS float8) AS c9
    FROM flights
),
s1 AS MATERIALIZED (
    SELECT
      c0, c9,
      CASE WHEN c1 = 'NaN'::float8 THEN NULL ELSE c1 END AS c2,
      CASE WHEN c9 = 'NaN'::float8 THEN NULL ELSE c9 END AS c10
    FROM s0
),
s2 AS MATERIALIZED (
    SELECT
      c0, c2, c9, c10,
      COALESCE(c2, '0.5e0'::float8) / '3e0'::float8 AS c5
    FROM s1
),
s3 AS MATERIALIZED (
    SELECT
      c0, c2, c5, c9, c10,
      CASE WHEN c5 = 'NaN'::float8 THEN NULL ELSE c5 END AS c6
    FROM s2
),
s4 AS MATERIALIZED (
    SELECT
      c0, c5, c9,
      CASE WHEN c2 = 'Infinity'::float8 OR c2 = '-Infinity'::float8 THEN CAST('foresql: column ''a b'' is infinite or too large in a row for SimpleImputer' || coalesce(': ' || CAST(c2 AS text), '') AS int) ELSE 0 END + CASE WHEN c6 IS NULL THEN CAST('foresql: column ''a b'' is NULL in a row, and Ridge accepts no missing one' || coalesce(': ' || CAST(c6 AS text), '') AS int) ELSE 0 END + CASE WHEN c6 = 'Infinity'::float8 OR c6 = '-Infinity'::float8 THEN CAST('foresql: column ''a b'' is infinite or too large in a row for Ridge' || coalesce(': ' || CAST(c6 AS text), '') AS int) ELSE 0 END + CASE WHEN c10 IS NULL THEN CAST('foresql: column ''n'' is NULL in a row, and Ridge accepts no missing one' || coalesce(': ' || CAST(c10 AS text), '') AS int) ELSE 0 END + CASE WHEN c10 = 'Infinity'::float8 OR c10 = '-Infinity'::float8 THEN CAST('foresql: column ''n'' is infinite or too large in a row for Ridge' || coalesce(': ' || CAST(c10 AS text), '') AS int) ELSE 0 END AS c14
    FROM s3
)
SELECT
  c0 AS "id",
  CASE WHEN c14 = 0 THEN ('0e0'::float8 + (c5 * '0.1e0'::float8) + (c9 * '-2e0'::float8) + '1e-05'::float8) END AS "prediction"
FROM s4
