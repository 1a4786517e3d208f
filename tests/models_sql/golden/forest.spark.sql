-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Strategy of the forests: case.
-- Reads distance double, carrier varchar.
-- Bit for bit the kernel's: prediction, margin.
-- Within 2 ulp, as exponentials differ between engines: probability.
-- SQL for Spark; what its claims rest on: run by the tests (Spark 4.3, in ANSI mode).
CREATE OR REPLACE VIEW `scored` AS
WITH s0 AS (
    SELECT
      `id` AS c0,
      CAST(`carrier` AS BINARY) AS c1,
      CAST(`distance` AS DOUBLE) AS c3
    FROM flights
),
s1 AS (
    SELECT
      c0,
      CASE WHEN c1 IS NULL THEN NULL WHEN c1 = X'5541' THEN 0e0D WHEN c1 = X'4F2748617265' THEN 1e0D WHEN c1 = X'C3BC5C' THEN 7e0D ELSE -1e0D END AS c2,
      CASE WHEN isnan(c3) THEN NULL ELSE c3 END AS c4
    FROM s0
),
s2 AS (
    SELECT
      c0,
      0.5e0D
      + CASE WHEN c4 > 1.5e0D THEN CASE WHEN c4 <= 2.5e-300D THEN -0.25e0D ELSE 1e+300D END ELSE 0.1e0D END
      + CASE WHEN c2 BETWEEN 0e0D AND 2e0D OR c2 IN (7e0D) THEN 0.3333333333333333e0D ELSE -2e0D END AS c5
    FROM s1
),
s3 AS (
    SELECT
      c0, c5,
      CASE WHEN c5 > 1.6653345369377348e-16D THEN 1e0D ELSE 0e0D END AS c8
    FROM s2
)
SELECT
  c0 AS `id`,
  CASE WHEN c8 = 0e0D THEN 'on time' WHEN c8 = 1e0D THEN 'late' END AS `prediction`,
  CASE WHEN c5 < (-709.782712893384e0D) THEN 0e0D WHEN c5 > 40e0D THEN 1e0D ELSE 1e0D / (1e0D + exp((-c5))) END AS `probability`,
  c5 AS `margin`
FROM s3
