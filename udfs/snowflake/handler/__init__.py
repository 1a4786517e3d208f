"""What is shipped to Snowflake and runs there, beside the numpy kernel. Needs numpy and pandas."""

MOST_ARGUMENTS = 500
"""Beyond, the columns come in one OBJECT.
Source: https://docs.snowflake.com/en/sql-reference/sql/create-function
"""
