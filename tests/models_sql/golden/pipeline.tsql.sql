-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads a b double, n bigint.
-- Bit for bit the kernel's: prediction.
-- SQL for SQL Server; what its claims rest on: the Transact-SQL reference (CASE: 10 levels) and
--   MSSQLSERVER_2570 (a float holds no NaN, infinity or denormal number); unproven: integers
--   beyond 2**53 as float, last bits of EXP and LN.
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
      COALESCE(c1, (1e0/2e0)) / 3e0 AS c3
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
  CASE WHEN c8 = 0 THEN (0e0 + (c3 * (3602879701896397e0/9007199254740992e0/4e0)) + (c5 * (-2e0)) + (5902958103587057e0/9007199254740992e0/65536e0)) END AS [prediction]
FROM s2
