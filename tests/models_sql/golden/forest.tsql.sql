-- Model delay:3, bundle sha256 0000000000000000000000000000000000000000000000000000000000000000.
-- Certified on 12,345 rows by kernel.
-- Reads distance double, carrier varchar.
-- Bit for bit the kernel's: prediction, margin.
-- Within 2 ulp, as exponentials differ between engines: probability.
-- SQL for SQL Server; what its claims rest on: to be checked against the Transact-SQL reference
--   for SQL Server 2022 (float and real, CASE, GREATEST, CAST and CONVERT); sqlglot parses it, no
--   test runs it.
CREATE OR ALTER VIEW [scored] AS
WITH s0 AS (
    SELECT
      [id] AS c0,
      CAST(CAST([carrier] AS NVARCHAR(MAX)) AS VARBINARY(MAX)) AS c1,
      CAST([distance] AS FLOAT(53)) AS c3
    FROM flights
),
s1 AS (
    SELECT
      c0, c3,
      CASE WHEN c1 IS NULL THEN NULL WHEN c1 = 0x55004100 THEN 0e0 WHEN c1 = 0x4F0027004800610072006500 THEN 1e0 WHEN c1 = 0xFC005C00 THEN 7e0 ELSE -1e0 END AS c2
    FROM s0
),
s2 AS (
    SELECT
      c0,
      0.5e0
      + CASE WHEN c3 > 1.5e0 THEN CASE WHEN c3 <= 2.5e-300 THEN -0.25e0 ELSE 1e+300 END ELSE 0.1e0 END
      + CASE WHEN c2 BETWEEN 0e0 AND 2e0 OR c2 IN (7e0) THEN 0.3333333333333333e0 ELSE -2e0 END AS c4
    FROM s1
),
s3 AS (
    SELECT
      c0, c4,
      CASE WHEN c4 > 1.6653345369377348e-16 THEN 1e0 ELSE 0e0 END AS c7
    FROM s2
)
SELECT
  c0 AS [id],
  CASE WHEN c7 = 0e0 THEN N'on time' WHEN c7 = 1e0 THEN N'late' END AS [prediction],
  CASE WHEN c4 < (-709.782712893384e0) THEN 0e0 WHEN c4 > 40e0 THEN 1e0 ELSE 1e0 / (1e0 + EXP((-c4))) END AS [probability],
  c4 AS [margin]
FROM s3
