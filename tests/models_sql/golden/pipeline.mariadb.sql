-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for MariaDB; what its claims rest on: run by the tests (MariaDB 10.11).
CREATE OR REPLACE VIEW `scored` AS
WITH s0 AS (
    SELECT
      `id` AS c0,
      CAST(`a b` AS DOUBLE) AS c1,
      CAST(`n` AS DOUBLE) AS c5
    FROM flights
    LIMIT 18446744073709551615
),
s1 AS (
    SELECT
      c0, c5,
      COALESCE(c1, 0.5e0) / 3e0 AS c3
    FROM s0
    LIMIT 18446744073709551615
),
s2 AS (
    SELECT
      c0, c3, c5,
      CASE WHEN c3 IS NULL THEN RELEASE_LOCK(CONCAT('foresql: column \'a b\' is NULL in a row, and Ridge accepts no missing one', ' ', COALESCE(c3, ''), REPEAT('.', 200))) ELSE 0 END + CASE WHEN c5 IS NULL THEN RELEASE_LOCK(CONCAT('foresql: column \'n\' is NULL in a row, and Ridge accepts no missing one', ' ', COALESCE(c5, ''), REPEAT('.', 200))) ELSE 0 END AS c8
    FROM s1
    LIMIT 18446744073709551615
)
SELECT
  c0 AS `id`,
  CASE WHEN c8 = 0 THEN (0e0 + (c3 * 0.1e0) + (c5 * (-2e0)) + 1e-05) END AS `prediction`
FROM s2
