"""Databricks SQL: Spark's, and it can keep functions that take a table's row."""

from dataclasses import replace

from ...ir import ColumnType
from ..target import Forms
from .spark import TARGET as SPARK

TARGET = replace(
    SPARK,
    name="databricks",
    title="Databricks",
    dialect="databricks",
    evidence=(
        "the tests run this text in Spark 4.3; the SQL reference of Databricks (Special floating "
        "point values, ANSI compliance); unproven: EXP and LN of Photon, limits of nesting"
    ),
    types={
        ColumnType.DOUBLE: "DOUBLE",
        ColumnType.BIGINT: "BIGINT",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.VARCHAR: "STRING",
        ColumnType.TIMESTAMP: "TIMESTAMP_NTZ",
    },
    forms=Forms(
        function=(
            "CREATE OR REPLACE FUNCTION {name}({parameters})\n"
            "RETURNS TABLE ({results}) RETURN\n{query}"
        ),
    ),
)
