-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for MySQL; what its claims rest on: the tests run this text in MariaDB 10.11, but for
--   refusals; the reference manual of MySQL 8.4 (Optimizing derived tables); unproven: numbers
--   below 2.2e-308, that UUID_TO_BIN ends a query (a refused row would have no answer), limits of
--   nesting.
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
      CASE WHEN c3 IS NULL THEN LENGTH(UUID_TO_BIN(CONCAT('foresql: column \'a b\' is NULL in a row, and Ridge accepts no missing one', COALESCE(c3, '')))) ELSE 0 END + CASE WHEN c5 IS NULL THEN LENGTH(UUID_TO_BIN(CONCAT('foresql: column \'n\' is NULL in a row, and Ridge accepts no missing one', COALESCE(c5, '')))) ELSE 0 END AS c8
    FROM s1
    LIMIT 18446744073709551615
)
SELECT
  c0 AS `id`,
  CASE WHEN c8 = 0 THEN (0e0 + (c3 * 0.1e0) + (c5 * (-2e0)) + 1e-05) END AS `prediction`
FROM s2
