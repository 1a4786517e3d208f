-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for DuckDB; what its claims rest on: run by the tests (DuckDB 2.0).
CREATE OR REPLACE VIEW "scored" AS
WITH s0 AS (
    SELECT
      "id" AS c0,
      CAST(+"a b" AS DOUBLE) AS c1,
      CAST(+"n" AS DOUBLE) AS c9
    FROM flights
),
s1 AS (
    SELECT
      c0, c9,
      CASE WHEN isnan(c1) THEN NULL ELSE c1 END AS c2,
      CASE WHEN isnan(c9) THEN NULL ELSE c9 END AS c10
    FROM s0
),
s2 AS (
    SELECT
      c0, c2, c9, c10,
      COALESCE(c2, 0.5e0) / 3e0 AS c5
    FROM s1
),
s3 AS (
    SELECT
      c0, c2, c5, c9, c10,
      CASE WHEN isnan(c5) THEN NULL ELSE c5 END AS c6
    FROM s2
),
s4 AS (
    SELECT
      c0, c5, c9,
      CASE WHEN c2 = 'inf'::DOUBLE OR c2 = '-inf'::DOUBLE THEN error('foresql: column ''a b'' is infinite or too large in a row for SimpleImputer') ELSE 0 END + CASE WHEN c6 IS NULL THEN error('foresql: column ''a b'' is NULL in a row, and Ridge accepts no missing one') ELSE 0 END + CASE WHEN c6 = 'inf'::DOUBLE OR c6 = '-inf'::DOUBLE THEN error('foresql: column ''a b'' is infinite or too large in a row for Ridge') ELSE 0 END + CASE WHEN c10 IS NULL THEN error('foresql: column ''n'' is NULL in a row, and Ridge accepts no missing one') ELSE 0 END + CASE WHEN c10 = 'inf'::DOUBLE OR c10 = '-inf'::DOUBLE THEN error('foresql: column ''n'' is infinite or too large in a row for Ridge') ELSE 0 END AS c14
    FROM s3
)
SELECT
  c0 AS "id",
  CASE WHEN c14 = 0 THEN (0e0 + (c5 * 0.1e0) + (c9 * (-2e0)) + 1e-05) END AS "prediction"
FROM s4
