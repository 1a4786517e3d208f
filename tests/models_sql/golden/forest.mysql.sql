-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Strategy of the forests: case.
-- Reads distance double, carrier varchar.
-- Bit for bit the kernel's: prediction, margin.
-- Within 2 ulp, as exponentials differ between engines: probability.
-- SQL for MySQL; what its claims rest on: the tests run this text in MariaDB 10.11, but for
--   refusals; the reference manual of MySQL 8.4 (Optimizing derived tables); unproven: numbers
--   below 2.2e-308, that UUID_TO_BIN ends a query (a refused row would have no answer), limits of
--   nesting.
CREATE OR REPLACE VIEW `scored` AS
WITH s0 AS (
    SELECT
      `id` AS c0,
      CAST(CONVERT(`carrier` USING utf8mb4) AS BINARY) AS c1,
      CAST(`distance` AS DOUBLE) AS c3
    FROM flights
    LIMIT 18446744073709551615
),
s1 AS (
    SELECT
      c0, c3,
      CASE WHEN c1 IS NULL THEN NULL WHEN c1 = X'5541' THEN 0e0 WHEN c1 = X'4F2748617265' THEN 1e0 WHEN c1 = X'C3BC5C' THEN 7e0 ELSE -1e0 END AS c2
    FROM s0
    LIMIT 18446744073709551615
),
s2 AS (
    SELECT
      c0,
      0.5e0
      + CASE WHEN c3 > 1.5e0 THEN CASE WHEN c3 <= 2.5e-300 THEN -0.25e0 ELSE 1e+300 END ELSE 0.1e0 END
      + CASE WHEN c2 BETWEEN 0e0 AND 2e0 OR c2 IN (7e0) THEN 0.3333333333333333e0 ELSE -2e0 END AS c4
    FROM s1
    LIMIT 18446744073709551615
),
s3 AS (
    SELECT
      c0, c4,
      CASE WHEN c4 > 1.6653345369377348e-16 THEN 1e0 ELSE 0e0 END AS c7
    FROM s2
    LIMIT 18446744073709551615
)
SELECT
  c0 AS `id`,
  CASE WHEN c7 = 0e0 THEN 'on time' WHEN c7 = 1e0 THEN 'late' END AS `prediction`,
  CASE WHEN c4 < (-709.782712893384e0) THEN 0e0 WHEN c4 > 40e0 THEN 1e0 ELSE 1e0 / (1e0 + EXP((-c4))) END AS `probability`,
  c4 AS `margin`
FROM s3
