-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for SQL Server; what its claims rest on: to be checked against the Transact-SQL reference
--   for SQL Server 2022 (float and real, CASE, GREATEST, CAST and CONVERT); sqlglot parses it, no
--   test runs it.
CREATE OR ALTER VIEW [scored] AS
WITH s0 AS (
    SELECT
      [id] AS c0,
      CAST([a b] AS FLOAT(53)) AS c1,
      CAST([n] AS FLOAT(53)) AS c5
    FROM flights
),
s1 AS (
    SELECT
      c0, c5,
      COALESCE(c1, 0.5e0) / 3e0 AS c3
    FROM s0
),
s2 AS (
    SELECT
      c0, c3, c5,
      CASE WHEN c3 IS NULL THEN CAST(N'foresql: column ''a b'' is NULL in a row, and Ridge accepts no missing one' + COALESCE(CAST(c3 AS NVARCHAR(40)), N'') AS INT) ELSE 0 END + CASE WHEN c5 IS NULL THEN CAST(N'foresql: column ''n'' is NULL in a row, and Ridge accepts no missing one' + COALESCE(CAST(c5 AS NVARCHAR(40)), N'') AS INT) ELSE 0 END AS c8
    FROM s1
)
SELECT
  c0 AS [id],
  CASE WHEN c8 = 0 THEN (0e0 + (c3 * 0.1e0) + (c5 * (-2e0)) + 1e-05) END AS [prediction]
FROM s2
