-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for BigQuery; what its claims rest on: the ZetaSQL documentation (Floating point semantics,
--   Floating point literals, Operators) and source (how text and INT64 become FLOAT64); unproven:
--   last bits of EXP and LN, limits of nesting.
CREATE OR REPLACE VIEW `scored` AS
WITH s0 AS (
    SELECT
      `id` AS c0,
      CAST(`a b` AS FLOAT64) AS c1,
      CAST(`n` AS FLOAT64) AS c9
    FROM flights
),
s1 AS (
    SELECT
      c0, c9,
      CASE WHEN IS_NAN(c1) THEN NULL ELSE c1 END AS c2,
      CASE WHEN IS_NAN(c9) THEN NULL ELSE c9 END AS c10
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
      CASE WHEN IS_NAN(c5) THEN NULL ELSE c5 END AS c6
    FROM s2
),
s4 AS (
    SELECT
      c0, c5, c9,
      IF(c2 = CAST('inf' AS FLOAT64) OR c2 = CAST('-inf' AS FLOAT64), ERROR('foresql: column \'a b\' is infinite or too large in a row for SimpleImputer'), 0) + IF(c6 IS NULL, ERROR('foresql: column \'a b\' is NULL in a row, and Ridge accepts no missing one'), 0) + IF(c6 = CAST('inf' AS FLOAT64) OR c6 = CAST('-inf' AS FLOAT64), ERROR('foresql: column \'a b\' is infinite or too large in a row for Ridge'), 0) + IF(c10 IS NULL, ERROR('foresql: column \'n\' is NULL in a row, and Ridge accepts no missing one'), 0) + IF(c10 = CAST('inf' AS FLOAT64) OR c10 = CAST('-inf' AS FLOAT64), ERROR('foresql: column \'n\' is infinite or too large in a row for Ridge'), 0) AS c14
    FROM s3
)
SELECT
  c0 AS `id`,
  CASE WHEN c14 = 0 THEN (0e0 + (c5 * 0.1e0) + (c9 * (-2e0)) + 1e-05) END AS `prediction`
FROM s4
