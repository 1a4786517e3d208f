-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Strategy of the forests: case.
-- Reads distance double, carrier varchar.
-- Bit for bit the kernel's: prediction, margin.
-- Within 2 ulp, as exponentials differ between engines: probability.
-- SQL for DuckDB; what its claims rest on: run by the tests (DuckDB 2.0).
CREATE OR REPLACE VIEW "scored" AS
WITH s0 AS (
    SELECT
      "id" AS c0,
      (replace("carrier", '', '') COLLATE C) AS c1,
      CAST(+"distance" AS DOUBLE) AS c3
    FROM flights
),
s1 AS (
    SELECT
      c0,
      CASE WHEN c1 IS NULL THEN NULL WHEN c1 = 'UA' THEN 0e0 WHEN c1 = 'O''Hare' THEN 1e0 WHEN c1 = 'ü\' THEN 7e0 ELSE -1e0 END AS c2,
      CASE WHEN isnan(c3) THEN NULL ELSE c3 END AS c4
    FROM s0
),
s2 AS (
    SELECT
      c0,
      0.5e0
      + CASE WHEN c4 > 1.5e0 THEN CASE WHEN c4 <= 2.5e-300 THEN -0.25e0 ELSE 1e+300 END ELSE 0.1e0 END
      + CASE WHEN c2 BETWEEN 0e0 AND 2e0 OR c2 IN (7e0) THEN 0.3333333333333333e0 ELSE -2e0 END AS c5
    FROM s1
),
s3 AS (
    SELECT
      c0, c5,
      CASE WHEN c5 > 1.6653345369377348e-16 THEN 1e0 ELSE 0e0 END AS c8
    FROM s2
)
SELECT
  c0 AS "id",
  CASE WHEN c8 = 0e0 THEN 'on time' WHEN c8 = 1e0 THEN 'late' END AS "prediction",
  CASE WHEN c5 < (-709.782712893384e0) THEN 0e0 WHEN c5 > 40e0 THEN 1e0 ELSE 1e0 / (1e0 + exp((-c5))) END AS "probability",
  c5 AS "margin"
FROM s3
