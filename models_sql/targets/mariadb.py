"""MariaDB: MySQL's dialect, but nothing in a SELECT that ends it with a message."""

from dataclasses import replace

from .mysql import TARGET as MYSQL

TARGET = replace(
    MYSQL,
    name="mariadb",
    title="MariaDB",
    evidence=(
        "to be checked against "
        "the knowledge base of MariaDB (Numeric literals, Derived table merge); sqlglot parses "
        "it as MySQL's, no test runs it"
    ),
    refusal=None,
)
