"""Checks of streams, tasks and dynamic tables, by the statements that incremental scoring writes.

Only the model is another: a function of the probe handler, which gives twice a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import AccountError
from ....udfs.snowflake.names import literal, quote
from ..calls import ScoringModel
from ..dynamic_table import create_dynamic_table
from ..merge import task_body
from ..scoring_query import Output, ScoringQuery
from ..stream import (
    create_run,
    create_stream,
    create_target,
    create_task,
    fill_run,
    resume,
    stream_literal,
    suspend,
)
from ..upkeep import Upkeep
from .check import Check, Impossible, Violation, expect

if TYPE_CHECKING:
    from .scratch import Scratch

_ACTIONS = '"ID", "X", "METADATA$ACTION", "METADATA$ISUPDATE"'
_ORDER = 'ORDER BY "ID", "METADATA$ACTION"'


def _upkeep(scratch: Scratch, name: str, warehouse: str | None = None) -> Upkeep:
    """Say which table is scored by the probe function, and where its answers are kept."""
    function = scratch.python("scaled", "x FLOAT", "FLOAT")
    query = ScoringQuery(
        table=(name,),
        outputs=(Output("ID", '"F"."ID"'), Output("P", f'{function}("F"."X")')),
        where=None,
        reads=("ID", "X"),
        plain={"ID": "ID"},
        declared={"X": "FLOAT"},
        models=(ScoringModel("probe", 1, "0" * 64),),
        calls_in_where=False,
        row=None,
    )
    return Upkeep(
        query=query,
        settings=scratch.settings,
        source=(scratch.database, scratch.schema, name),
        target=(scratch.database, scratch.schema, f"{name}_SCORED"),
        keys=("ID",),
        warehouse=warehouse,
        lag="24 HOURS" if warehouse else "5 MINUTES",
    )


def _begin(scratch: Scratch, name: str) -> Upkeep:
    """Make a table of three rows, and the stream of what changes from then on."""
    upkeep = _upkeep(scratch, name)
    scratch.run(f'CREATE TABLE {upkeep.source_table} ("ID" NUMBER(38, 0), "X" FLOAT)')
    _insert(scratch, upkeep.source_table, "(1, 0.5), (2, 1.5), (3, 2.5)")
    scratch.run(create_stream(upkeep))
    return upkeep


def _insert(scratch: Scratch, table: str, rows: str) -> None:
    scratch.run(f'INSERT INTO {table} ("ID", "X") VALUES {rows}')


def _changes(upkeep: Upkeep) -> str:
    return upkeep.beside("CHANGES")


def _stream(scratch: Scratch) -> str:
    upkeep = _begin(scratch, "CHANGED")
    table = upkeep.source_table
    ask = f"SELECT {_ACTIONS} FROM {_changes(upkeep)} {_ORDER}"
    expect(scratch.run(ask), [], "a new stream")
    _insert(scratch, table, "(4, 4.5)")
    scratch.run(f'UPDATE {table} SET "X" = 9.5 WHERE "ID" = 1')
    scratch.run(f'DELETE FROM {table} WHERE "ID" = 2')
    expected = [
        (1, 0.5, "DELETE", True),
        (1, 9.5, "INSERT", True),
        (2, 1.5, "DELETE", False),
        (4, 4.5, "INSERT", False),
    ]
    expect(scratch.run(ask), expected, "changes in a stream")
    return "an update is a deletion and an insertion, marked METADATA$ISUPDATE"


def _offset(scratch: Scratch) -> str:
    upkeep = _begin(scratch, "CONSUMED")
    stream, target = _changes(upkeep), scratch.place("CONSUMED_TARGET")
    scratch.run(f'CREATE TABLE {target} ("ID" NUMBER(38, 0), "X" FLOAT)')
    _insert(scratch, upkeep.source_table, "(4, 4.5), (5, 5.5)")
    count = f"SELECT COUNT(*) FROM {stream}"
    expect([scratch.value(count), scratch.value(count)], [2, 2], "a stream that is read twice")
    consume = f'INSERT INTO {target} SELECT "ID", "X" FROM {stream} WHERE "ID" = 4'
    scratch.run("BEGIN TRANSACTION")
    scratch.run(consume)
    scratch.run("ROLLBACK")
    expect(scratch.value(count), 2, "a stream after a transaction was rolled back")
    scratch.run(consume)
    expect(scratch.value(count), 0, "a stream after a filtered INSERT committed")
    return "only a commit moves the offset, and it consumes rows that were filtered out too"


def _scored(scratch: Scratch, name: str) -> Upkeep:
    """Make the tables that the task writes, and let it score what the stream has."""
    upkeep = _begin(scratch, name)
    for statement in (create_target(upkeep), create_run(upkeep), fill_run(upkeep)):
        scratch.run(statement)
    _insert(scratch, upkeep.source_table, "(4, 4.5)")
    scratch.run(task_body(upkeep))
    return upkeep


def _answers(scratch: Scratch, upkeep: Upkeep) -> list[tuple[int, float]]:
    return scratch.run(f'SELECT "ID", "P" FROM {upkeep.target_table} ORDER BY "ID"')


def _merge(scratch: Scratch) -> str:
    upkeep = _scored(scratch, "MERGED")
    table = upkeep.source_table
    expect(_answers(scratch, upkeep), [(4, 9.0)], "predictions after an insertion")
    scratch.run(f'UPDATE {table} SET "X" = 9.5 WHERE "ID" IN (1, 4)')
    _insert(scratch, table, "(5, NULL), (6, 6.5)")
    scratch.run(f'DELETE FROM {table} WHERE "ID" IN (2, 6)')
    expected = [(1, 19.0), (4, 19.0), (5, -1.0)]
    for what in ("after changes", "after a run without changes"):
        scratch.run(task_body(upkeep))
        expect(_answers(scratch, upkeep), expected, f"predictions {what}")
        left = scratch.value(f"SELECT COUNT(*) FROM {_changes(upkeep)}")
        expect(left, 0, f"rows of the stream {what}")
    scratch.run(f'DELETE FROM {table} WHERE "ID" = 4')
    scratch.run(task_body(upkeep))
    expect(_answers(scratch, upkeep), [(1, 19.0), (5, -1.0)], "predictions after a deletion")
    return "insertions, updates and deletions arrive once, scored by the function"


def _duplicates(scratch: Scratch) -> str:
    upkeep = _scored(scratch, "DOUBLED")
    _insert(scratch, upkeep.source_table, "(7, 1), (7, 2)")
    try:
        scratch.run(task_body(upkeep))
    except AccountError:
        expect(_answers(scratch, upkeep), [(4, 9.0)], "predictions after a run that failed")
        left = scratch.value(f"SELECT COUNT(*) FROM {_changes(upkeep)}")
        expect(left, 2, "rows of the stream after a run that failed")
        return "the run fails, and neither predictions nor stream change"
    raise Violation("the run took one of two rows with the same key")


def _has_data(scratch: Scratch) -> str:
    upkeep = _begin(scratch, "SIGNALLED")
    ask = f"SELECT SYSTEM$STREAM_HAS_DATA({stream_literal(upkeep)})"
    before = scratch.value(ask)
    _insert(scratch, upkeep.source_table, "(4, 4.5)")
    expect([before, scratch.value(ask)], [False, True], "SYSTEM$STREAM_HAS_DATA")
    return "false for a new stream, true after an INSERT"


def _task(scratch: Scratch) -> str:
    upkeep = _begin(scratch, "TASKED")
    for statement in (create_target(upkeep), create_run(upkeep), fill_run(upkeep)):
        scratch.run(statement)
    scratch.run(create_task(upkeep))
    expect(_state(scratch, upkeep), "suspended", "the state of a new task")
    scratch.run(resume(upkeep))
    resumed = _state(scratch, upkeep)
    scratch.run(suspend(upkeep))
    expect(resumed, "started", "the state of a task that was resumed")
    return "made, resumed and suspended; the stream was empty, so it did not run"


def _state(scratch: Scratch, upkeep: Upkeep) -> str:
    place = f"{quote(scratch.database)}.{quote(scratch.schema)}"
    rows = scratch.records(f"SHOW TASKS IN SCHEMA {place}")
    (row,) = (row for row in rows if row["name"] == upkeep.named("TASK"))
    return str(row["state"])


def _dynamic_table(scratch: Scratch) -> str:
    warehouse = scratch.value("SELECT CURRENT_WAREHOUSE()")
    if warehouse is None:
        raise Impossible("a warehouse")
    upkeep = _upkeep(scratch, "DYNAMIC", warehouse)
    scratch.run(f'CREATE TABLE {upkeep.source_table} ("ID" NUMBER(38, 0), "X" FLOAT)')
    _insert(scratch, upkeep.source_table, "(1, 0.5), (2, 1.5)")
    scratch.run(create_dynamic_table(upkeep))
    _insert(scratch, upkeep.source_table, "(3, NULL)")
    scratch.run(f"ALTER DYNAMIC TABLE {upkeep.target_table} REFRESH")
    expect(_answers(scratch, upkeep), [(1, 1.0), (2, 3.0), (3, -1.0)], "the dynamic table")
    actions = scratch.run(
        "SELECT REFRESH_ACTION FROM TABLE("
        f"{quote(scratch.database)}.INFORMATION_SCHEMA.DYNAMIC_TABLE_REFRESH_HISTORY("
        f"NAME => {literal(upkeep.target_table)})) ORDER BY REFRESH_START_TIME DESC LIMIT 1"
    )
    expect(actions, [("INCREMENTAL",)], "how it was refreshed")
    return "refreshed incrementally, with the function in its SELECT"


_DBT = "Score by `dbt build` on a schedule instead."
_FUNCTION = ("python-function",)

CHANGES = (
    Check(
        name="stream",
        claim="A stream gives an update as a deletion and an insertion.",
        means=f"The task's MERGE may miss changes: do not resume it. {_DBT}",
        needs="CREATE STREAM and CREATE TABLE on the schema",
        attempt=_stream,
        after=_FUNCTION,
    ),
    Check(
        name="stream-offset",
        claim="A stream's offset moves only when a statement that reads it commits.",
        means=f"Changes may be scored twice, or never: do not resume the task. {_DBT}",
        attempt=_offset,
        after=("stream",),
    ),
    Check(
        name="stream-merge",
        claim="A run of the task scores insertions, updates and deletions exactly once.",
        means=f"Predictions may differ from their table: do not resume the task. {_DBT}",
        attempt=_merge,
        after=("stream",),
    ),
    Check(
        name="stream-duplicates",
        claim="A run that finds a key twice fails, and changes nothing.",
        means="One of the rows would be scored, and nobody would notice. Keep keys unique in the "
        f"table. {_DBT}",
        attempt=_duplicates,
        after=("stream-merge",),
    ),
    Check(
        name="stream-has-data",
        claim="SYSTEM$STREAM_HAS_DATA tells whether there is something to score.",
        means=f"The task may run without need, or not at all. {_DBT}",
        attempt=_has_data,
        after=("stream",),
    ),
    Check(
        name="task",
        claim="The role may make and resume a serverless task that a stream triggers.",
        means="Changes are not scored by themselves. Name a warehouse for the task, or score by "
        "`dbt build` on a schedule.",
        needs="EXECUTE TASK and EXECUTE MANAGED TASK on the account, CREATE TASK on the schema",
        attempt=_task,
        after=("stream",),
    ),
    Check(
        name="dynamic-table",
        claim="A dynamic table with the function in its SELECT is refreshed incrementally.",
        means="Snowflake refuses the dynamic table, or scores all of it at each refresh. Use the "
        "stream and the task.",
        needs="CREATE DYNAMIC TABLE on the schema",
        attempt=_dynamic_table,
        after=_FUNCTION,
    ),
)
