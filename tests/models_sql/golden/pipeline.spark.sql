-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for Spark; what its claims rest on: run by the tests (Spark 4.3, in ANSI mode).
CREATE OR REPLACE VIEW `scored` AS
WITH s0 AS (
    SELECT
      `id` AS c0,
      CAST(`a b` AS DOUBLE) AS c1,
      CAST(`n` AS DOUBLE) AS c9
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
      COALESCE(c2, 0.5e0D) / 3e0D AS c5
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
      CASE WHEN c2 = CAST('Infinity' AS DOUBLE) OR c2 = CAST('-Infinity' AS DOUBLE) THEN CAST(raise_error('foresql: column \'a b\' is infinite or too large in a row for SimpleImputer') AS INT) ELSE 0 END + CASE WHEN c6 IS NULL THEN CAST(raise_error('foresql: column \'a b\' is NULL in a row, and Ridge accepts no missing one') AS INT) ELSE 0 END + CASE WHEN c6 = CAST('Infinity' AS DOUBLE) OR c6 = CAST('-Infinity' AS DOUBLE) THEN CAST(raise_error('foresql: column \'a b\' is infinite or too large in a row for Ridge') AS INT) ELSE 0 END + CASE WHEN c10 IS NULL THEN CAST(raise_error('foresql: column \'n\' is NULL in a row, and Ridge accepts no missing one') AS INT) ELSE 0 END + CASE WHEN c10 = CAST('Infinity' AS DOUBLE) OR c10 = CAST('-Infinity' AS DOUBLE) THEN CAST(raise_error('foresql: column \'n\' is infinite or too large in a row for Ridge') AS INT) ELSE 0 END AS c14
    FROM s3
)
SELECT
  c0 AS `id`,
  CASE WHEN c14 = 0 THEN (0e0D + (c5 * 0.1e0D) + (c9 * (-2e0D)) + 1e-05D) END AS `prediction`
FROM s4
