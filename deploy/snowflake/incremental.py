"""Plans that keep a table of predictions up to date, all from the scoring query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...udfs.snowflake.names import quote
from ..plan import Phase, Plan, Step
from .backfill import SLICE, backfill
from .dynamic_table import create_dynamic_table
from .monitoring import create_view, refresh_views, task_views
from .source_checks import check_functions, check_keys, check_same_scoring, check_types
from .stream import (
    create_run,
    create_stream,
    create_target,
    create_task,
    fill_run,
    modify_task,
    resume,
    suspend,
    wait_for_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .upkeep import Upkeep

TASK, DYNAMIC_TABLE = "task", "dynamic-table"
FORMS = (TASK, DYNAMIC_TABLE)


def plan_incremental(upkeep: Upkeep, form: str = TASK) -> Plan:
    """Plan all that keeps the predictions up to date from now on, and score what is there.

    Raises
    ------
    UnsupportedModelError
        If the form cannot be kept up to date row by row, with the way out.
    """
    if form == DYNAMIC_TABLE:
        return _plan_dynamic_table(upkeep, replace=False)
    steps = [
        *_checks(upkeep),
        Step(
            what="Remember from now on what changes. The stream comes first, so nothing is "
            "missed; rows that are there already are the backfill's.",
            sql=create_stream(upkeep),
            phase=Phase.CREATE,
        ),
        Step(
            what="Make the predictions, with the query's own types.",
            sql=create_target(upkeep),
            phase=Phase.CREATE,
        ),
        _same_scoring(upkeep),
        Step(
            what="Make the row that each run updates first: its id, its time, and its lock.",
            sql=create_run(upkeep),
            phase=Phase.CREATE,
        ),
        Step(what="Give it that row, once.", sql=fill_run(upkeep), phase=Phase.CREATE),
        Step(
            what="Make the task, suspended. It calls the functions of versions, never an alias.",
            sql=create_task(upkeep),
            phase=Phase.CREATE,
        ),
        *_views(upkeep, task_views(upkeep)),
        *_grants(upkeep),
        Step(
            what="Let runs start, as the operator.",
            sql=resume(upkeep),
            phase=Phase.SWITCH,
            role=upkeep.settings.operator,
        ),
        _backfill_step(upkeep),
    ]
    return _plan(f"Keep {_dotted(upkeep.target)} up to date with {upkeep.label}", upkeep, steps)


def plan_incremental_upgrade(
    upkeep: Upkeep, form: str = TASK, *, previous: Upkeep | None = None
) -> Plan:
    """Plan how predictions go over to another version, or back to an earlier one.

    ``previous`` is what runs now; with it a step that fails is taken back.
    """
    if form == DYNAMIC_TABLE:
        return _plan_dynamic_table(upkeep, replace=True)
    operator, deployer = upkeep.settings.operator, upkeep.settings.deployer
    as_owner = f"USE ROLE {quote(deployer)}"
    back = () if previous is None else (as_owner, modify_task(previous))
    steps = [
        *_checks(upkeep),
        Step(
            what="Let no further run start. Changes stay in the stream meanwhile.",
            sql=suspend(upkeep),
            phase=Phase.SWITCH,
            role=operator,
            undo=(f"USE ROLE {quote(operator)}", resume(upkeep), as_owner),
        ),
        Step(
            what="Wait for the run that is under way.",
            sql=wait_for_run(upkeep),
            phase=Phase.SWITCH,
        ),
        Step(
            what=f"Let the task call {upkeep.label}. Its stream, history and grants stay.",
            sql=modify_task(upkeep),
            phase=Phase.SWITCH,
            undo=back,
        ),
        Step(what="Let runs start again.", sql=resume(upkeep), phase=Phase.SWITCH, role=operator),
        *_views(upkeep, task_views(upkeep)),
        _backfill_step(upkeep),
    ]
    return _plan(f"Take {_dotted(upkeep.target)} to {upkeep.label}", upkeep, steps)


def plan_backfill(upkeep: Upkeep, *, rows: int = SLICE, reconcile: bool = False) -> Plan:
    """Plan the rescoring of what the stream does not give; it may be ended and run again.

    ``rows`` is the size of a slice, each of which is a transaction. ``reconcile`` compares each
    row's columns with those that were scored too: after a stream was lost.
    """
    if rows < 1:
        raise ForesqlError(f"A slice has at least one row, not {rows}.")
    step = _backfill_step(upkeep, rows, reconcile=reconcile)
    return _plan(f"Bring {_dotted(upkeep.target)} to {upkeep.label}", upkeep, [step])


def _plan_dynamic_table(upkeep: Upkeep, *, replace: bool) -> Plan:
    what = "Compute all predictions, then refresh what changed. It fails if it cannot."
    if replace:
        what = "Compute all predictions by the new version; readers see the old ones until then."
    steps = [
        *_checks(upkeep),
        Step(
            what=what,
            sql=create_dynamic_table(upkeep, replace=replace),
            phase=Phase.SWITCH if replace else Phase.CREATE,
        ),
        *([] if replace else [_same_scoring(upkeep)]),
        *_views(upkeep, refresh_views(upkeep)),
        *_table_grants(upkeep),
    ]
    return _plan(f"Keep {_dotted(upkeep.target)} up to date with {upkeep.label}", upkeep, steps)


def _checks(upkeep: Upkeep) -> Iterator[Step]:
    yield Step(
        what="Fail if a column that a model reads is missing, or has a type that a cast would "
        "change.",
        sql=check_types(upkeep),
        phase=Phase.CHECK,
    )
    yield Step(
        what="Fail if several rows have one key, of which it is not known which counts.",
        sql=check_keys(upkeep),
        phase=Phase.CHECK,
    )
    yield Step(
        what="Fail if the functions of these versions are missing, or cannot be called.",
        sql=check_functions(upkeep),
        phase=Phase.CHECK,
    )


def _same_scoring(upkeep: Upkeep) -> Step:
    return Step(
        what="Fail if other versions, or another query, made the predictions that are there.",
        sql=check_same_scoring(upkeep),
        phase=Phase.CHECK,
    )


def _backfill_step(upkeep: Upkeep, rows: int = SLICE, *, reconcile: bool = False) -> Step:
    return Step(
        what="Score what is missing or of another version, slice by slice. It may be ended and "
        "run again, and the task may run beside it.",
        sql=backfill(upkeep, rows, reconcile=reconcile),
        phase=Phase.RECORD,
    )


def _views(upkeep: Upkeep, views: dict[str, str]) -> Iterator[Step]:
    said = {
        "RUNS": "Show the runs of the last seven days.",
        "FAILURES": "Show the runs that failed.",
        "LAG": "Show how far the predictions are behind.",
        "STALE": "Show the keys whose prediction is not the current version's of their row.",
        "VERSIONS": "Show how many rows each version scored.",
    }
    for name, query in views.items():
        yield Step(what=said[name], sql=create_view(upkeep, name, query), phase=Phase.RECORD)
        yield Step(
            what=f"Let {upkeep.settings.operator} read it.",
            sql=f"GRANT SELECT ON VIEW {upkeep.beside(name)} TO ROLE "
            f"{quote(upkeep.settings.operator)}",
            phase=Phase.RECORD,
        )


def _grants(upkeep: Upkeep) -> Iterator[Step]:
    operator = upkeep.settings.operator
    yield from _table_grants(upkeep)
    yield Step(
        what=f"Let {operator} suspend and resume the task, and see its runs.",
        sql=f"GRANT OPERATE, MONITOR ON TASK {upkeep.beside('TASK')} TO ROLE {quote(operator)}",
        phase=Phase.GRANT,
    )


def _table_grants(upkeep: Upkeep) -> Iterator[Step]:
    for role in (upkeep.settings.caller, upkeep.settings.operator):
        yield Step(
            what=f"Let {role} read the predictions.",
            sql=f"GRANT SELECT ON TABLE {upkeep.target_table} TO ROLE {quote(role)}",
            phase=Phase.GRANT,
        )


def _plan(title: str, upkeep: Upkeep, steps: Sequence[Step]) -> Plan:
    deployer = upkeep.settings.deployer
    header = [
        *(
            f"Model: {model.name}:{model.version}, sha256 {model.digest}"
            for model in upkeep.query.models
        ),
        f"Rows: {_dotted(upkeep.source)}, by {', '.join(upkeep.keys)}",
        f"Scoring hash: {upkeep.scoring_hash}",
        (
            f"Role: {deployer}, which owns the task and may read the rows; "
            f"{upkeep.settings.operator} where a step says so. Rights that they need: "
            "foresql task --do setup."
        ),
        f"Whoever owns {_dotted(upkeep.source)} has set CHANGE_TRACKING = TRUE for it.",
        (
            "The steps run in order, and the first error ends them. By hand: "
            "snow sql --enable-templating NONE -f FILE. Run again, it changes nothing."
        ),
    ]
    return Plan(
        title=title, header=tuple(header), steps=tuple(_with_roles(steps, deployer)), role=deployer
    )


def _with_roles(steps: Sequence[Step], deployer: str) -> Iterator[Step]:
    """Take each role by a statement, so that the script does what a session does."""
    current = None
    for step in steps:
        role = step.role or deployer
        if role != current:
            current = role
            yield Step(what=f"Work as {role}.", sql=f"USE ROLE {quote(role)}", phase=step.phase)
        yield step


def _dotted(parts: Sequence[str]) -> str:
    return ".".join(parts)
