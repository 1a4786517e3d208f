"""How an engine keeps the tables that a model brings, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Types and statements; ``{name}`` is a quoted table.

    Attributes
    ----------
    integer, double, text
        The types of columns.
    nullable
        The type of a column that holds NULL, from ``{}``.
    list_type, list_values
        A list of ``{}``; None where there are no lists.
    list_numbers
        A list of the numbers ``{}``, of the type ``{type}``, as a text that is read at once.
    list_in_file
        What stands around a list in a CSV file.
    null_in_file
        A NULL in a CSV file, where texts are quoted.
    key
        What stands behind the type of the column by which rows are looked up.
    begin, commit
        What makes all tables appear at once; empty where tables are filled under the name
        ``{loading}`` first, or where only one session sees them.
    create
        ``{columns}`` are names with types, and ``{text}`` is the quoted table as a text literal.
        A table that is there stays, where there is an ``empty``.
    empty
        What takes all rows out of a table: others that read it, such as views, stay.
    drop
        What drops a table if it is there.
    rename
        What gives the table ``{loading}`` its own name.
    after
        A statement after a table is filled.
    rows
        The most rows of one INSERT.
    suffix
        The kind of file that ``load`` reads: ``parquet``, ``csv``, or empty, where files hold
        INSERTs.
    load
        Statements that read ``{file}`` into ``{name}``; ``{stage}`` is the place where the engine
        finds files, which users name.
    makes_table
        Whether ``load`` creates the table too.
    end
        What ends a statement in a script.
    client
        The command that runs a script, for the comment above it.
    """

    integer: str = "BIGINT"
    double: str = "DOUBLE"
    text: str = "VARCHAR"
    nullable: str = "{}"
    list_type: str | None = None
    list_values: str = "[{}]"
    list_numbers: str = ""
    list_in_file: str = "[{}]"
    null_in_file: str = r"\N"
    key: str = ""
    begin: str = ""
    commit: str = ""
    create: str = "CREATE TABLE {name} ({columns})"
    empty: str = ""
    drop: str = "DROP TABLE IF EXISTS {name}"
    rename: str = "ALTER TABLE {loading} RENAME TO {name}"
    after: str = ""
    rows: int = 1_000
    suffix: str = ""
    load: tuple[str, ...] = ()
    makes_table: bool = False
    end: str = ";\n"
    client: str = ""

    @property
    def needs_stage(self) -> bool:
        """Whether users must say where the engine finds files."""
        return any("{stage}" in statement for statement in self.load)
