"""MariaDB: MySQL's dialect, but another function that ends a query."""

from dataclasses import replace

from .mysql import TARGET as MYSQL

TARGET = replace(
    MYSQL,
    name="mariadb",
    title="MariaDB",
    evidence="run by the tests (MariaDB 10.11)",
    has_denormals=True,
    # The name of a lock that is too long ends the query, and the error quotes its first letters.
    refusal=(
        "CASE WHEN {condition} THEN "
        "RELEASE_LOCK(CONCAT({message}, ' ', COALESCE({value}, ''), REPEAT('.', 200))) ELSE 0 END"
    ),
)
