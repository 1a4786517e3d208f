-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for SQLite; what its claims rest on: run by the tests (SQLite 3.40).
CREATE VIEW "scored" AS
WITH s0 AS MATERIALIZED (
    SELECT
      "id" AS c0,
      CASE typeof("a b") WHEN 'real' THEN "a b" WHEN 'integer' THEN CAST("a b" AS REAL) WHEN 'null' THEN NULL ELSE json_extract('[]', 'foresql: a number column holds ' || typeof("a b") || "a b") END AS c1,
      CASE typeof("n") WHEN 'real' THEN "n" WHEN 'integer' THEN CAST("n" AS REAL) WHEN 'null' THEN NULL ELSE json_extract('[]', 'foresql: a number column holds ' || typeof("n") || "n") END AS c7
    FROM flights
),
s1 AS MATERIALIZED (
    SELECT
      c0, c1, c7,
      COALESCE(c1, (1.0/2)) / 3.0 AS c4
    FROM s0
),
s2 AS MATERIALIZED (
    SELECT
      c0, c4, c7,
      CASE WHEN c1 = 9e999 OR c1 = (-9e999) THEN json_extract('[]', 'foresql: column ''a b'' is infinite or too large in a row for SimpleImputer' || coalesce(c1, '')) ELSE 0 END + CASE WHEN c4 IS NULL THEN json_extract('[]', 'foresql: column ''a b'' is NULL in a row, and Ridge accepts no missing one' || coalesce(c4, '')) ELSE 0 END + CASE WHEN c4 = 9e999 OR c4 = (-9e999) THEN json_extract('[]', 'foresql: column ''a b'' is infinite or too large in a row for Ridge' || coalesce(c4, '')) ELSE 0 END + CASE WHEN c7 IS NULL THEN json_extract('[]', 'foresql: column ''n'' is NULL in a row, and Ridge accepts no missing one' || coalesce(c7, '')) ELSE 0 END + CASE WHEN c7 = 9e999 OR c7 = (-9e999) THEN json_extract('[]', 'foresql: column ''n'' is infinite or too large in a row for Ridge' || coalesce(c7, '')) ELSE 0 END AS c11
    FROM s1
)
SELECT
  c0 AS "id",
  CASE WHEN c11 = 0 THEN (0.0 + (c4 * (3602879701896397.0/36028797018963968)) + (c7 * (-2.0)) + (5902958103587057.0/4611686018427387904/128)) END AS "prediction"
FROM s2
