-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for Snowflake; what its claims rest on: the documentation of Snowflake (Numeric data types,
--   Collation support, Limits on query text size); fakesnow runs its syntax; unproven: integers
--   beyond 2**53 as FLOAT, numbers below 2.2e-308, overflow, last bits of EXP and LN, limits of
--   nesting.
CREATE OR REPLACE VIEW "scored" AS
WITH s0 AS (
    SELECT
      "id" AS c0,
      CAST("a b" AS FLOAT) AS c1,
      CAST("n" AS FLOAT) AS c9
    FROM flights
),
s1 AS (
    SELECT
      c0, c9,
      CASE WHEN (c1 <> c1 OR c1 = 'NaN'::FLOAT) THEN NULL ELSE c1 END AS c2,
      CASE WHEN (c9 <> c9 OR c9 = 'NaN'::FLOAT) THEN NULL ELSE c9 END AS c10
    FROM s0
),
s2 AS (
    SELECT
      c0, c2, c9, c10,
      COALESCE(c2, (1::FLOAT/2)) / 3::FLOAT AS c5
    FROM s1
),
s3 AS (
    SELECT
      c0, c2, c5, c9, c10,
      CASE WHEN (c5 <> c5 OR c5 = 'NaN'::FLOAT) THEN NULL ELSE c5 END AS c6
    FROM s2
),
s4 AS (
    SELECT
      c0, c5, c9,
      CASE WHEN c2 = 'inf'::FLOAT OR c2 = '-inf'::FLOAT THEN TO_NUMBER('foresql: column \'a b\' is infinite or too large in a row for SimpleImputer' || COALESCE(CAST(c2 AS VARCHAR), '')) ELSE 0 END + CASE WHEN c6 IS NULL THEN TO_NUMBER('foresql: column \'a b\' is NULL in a row, and Ridge accepts no missing one' || COALESCE(CAST(c6 AS VARCHAR), '')) ELSE 0 END + CASE WHEN c6 = 'inf'::FLOAT OR c6 = '-inf'::FLOAT THEN TO_NUMBER('foresql: column \'a b\' is infinite or too large in a row for Ridge' || COALESCE(CAST(c6 AS VARCHAR), '')) ELSE 0 END + CASE WHEN c10 IS NULL THEN TO_NUMBER('foresql: column \'n\' is NULL in a row, and Ridge accepts no missing one' || COALESCE(CAST(c10 AS VARCHAR), '')) ELSE 0 END + CASE WHEN c10 = 'inf'::FLOAT OR c10 = '-inf'::FLOAT THEN TO_NUMBER('foresql: column \'n\' is infinite or too large in a row for Ridge' || COALESCE(CAST(c10 AS VARCHAR), '')) ELSE 0 END AS c14
    FROM s3
)
SELECT
  c0 AS "id",
  CASE WHEN c14 = 0 THEN (0::FLOAT + (c5 * (3602879701896397::FLOAT/9007199254740992/4)) + (c9 * (-2::FLOAT)) + (5902958103587057::FLOAT/9007199254740992/65536)) END AS "prediction"
FROM s4
