"""Carrying out a plan: all of it, or nothing that callers see.

Every statement that defines something commits by itself in Snowflake, so this is no transaction of
the database. The order of a plan makes it one to callers: nothing that they call changes before the
switch, and what was done until its end is taken back, the last step first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import AccountError, DeploymentError
from ...udfs.snowflake.names import quote
from ..plan import Phase
from .account_errors import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..plan import Plan, Step
    from .session import Session

    Progress = Callable[[int, Step], None]

_GUARDS_SAY = "foresql: "


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step of a plan reported."""

    what: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(slots=True)
class _Run:
    """A plan on its way: the session, and the steps that were begun."""

    session: Session
    plan: Plan
    reconnect: Callable[[], Session] | None
    answers: list[Answer] = field(default_factory=list[Answer])
    begun: int = 0

    @property
    def last_switch(self) -> int:
        """The place of the last step of the switch, or -1."""
        return max(
            (i for i, s in enumerate(self.plan.steps) if s.phase is Phase.SWITCH), default=-1
        )

    def perform(self, step: Step) -> None:
        session = self.session
        if step.role is not None:
            session.run(f"USE ROLE {quote(step.role)}")
        if step.upload is not None:
            session.upload(step.upload.content, step.upload.stage_path)
        else:
            rows = session.run(step.sql)
            if step.report:
                self.answers.append(Answer(step.what, tuple(session.columns), tuple(rows)))
        if step.role is not None and self.plan.role is not None:
            session.run(f"USE ROLE {quote(self.plan.role)}")

    def guard(self) -> None:
        """Check again what the plan was made for: it may have changed since the first steps."""
        for step in self.plan.steps:
            if is_guard(step):
                self.session.run(step.sql)


def is_guard(step: Step) -> bool:
    """Tell the checks before anything is done, which cost nothing to repeat."""
    return (
        step.phase is Phase.PREPARE
        and step.upload is None
        and step.sql.lstrip().upper().startswith("SELECT")
    )


def run_plan(
    session: Session,
    plan: Plan,
    *,
    progress: Progress | None = None,
    reconnect: Callable[[], Session] | None = None,
) -> list[Answer]:
    """Run the steps of a plan in order, and give what those report that have a report.

    If a step fails before the switch is complete, the steps that were done are taken back, the last
    one first. Before the first step of the switch, and before one of its steps is taken back, the
    plan's guards run again: if someone else has switched the alias meanwhile, it stays as it is.

    Parameters
    ----------
    session
        Where the steps run.
    plan
        The steps.
    progress
        Is told the number of each step, from 1, before it runs.
    reconnect
        Opens another session to take steps back in, where this one is lost.

    Raises
    ------
    DeploymentError
        If a step fails; the message says what stands.
    """
    run = _Run(session, plan, reconnect)
    first_switch = next((i for i, s in enumerate(plan.steps) if s.phase is Phase.SWITCH), -1)
    try:
        for place, step in enumerate(plan.steps):
            if progress is not None:
                progress(place + 1, step)
            run.begun = place + 1
            if place == first_switch:
                run.guard()
            run.perform(step)
    except AccountError as error:
        stands = _stop(run, error)
        failed = plan.steps[run.begun - 1]
        raise DeploymentError(
            f"Step {run.begun} of {len(plan.steps)} failed: {failed.what}\n{error}\n{stands}"
        ) from None
    except BaseException as error:
        # Ctrl-C or a signal: whoever stops a deployment wants to be where he was before.
        error.add_note(_stop(run, None))
        raise
    return run.answers


def _stop(run: _Run, error: AccountError | None) -> str:
    """Take back what was done, unless callers have the new version already; say what stands."""
    steps = run.plan.steps
    if -1 < run.last_switch < run.begun - 1:
        left = len(steps) - run.begun + 1
        return (
            f"What stands: the switch is complete, and callers have the new state. {left} of "
            f"{len(steps)} steps are not done: run the command again, which does the rest."
        )
    # Whether a statement was run is not known where the connection broke, or Ctrl-C came.
    is_open = error is None or error.lost
    done = run.begun if is_open else run.begun - 1
    takes_back = [step for step in steps[:done] if step.undo]
    lasting = [step for step in steps[:done] if _lasts(step)]
    if not takes_back and lasting:
        is_seen = any(step.phase is not Phase.CREATE for step in lasting)
        seen = "" if is_seen else "everything that callers see is as before; "
        return (
            f"What stands: {seen}{_counted(len(lasting))} done, and not taken back; the last one: "
            f"{lasting[-1].what} Run the command again, which does the rest."
        )
    if not takes_back:
        return "What stands: everything is as before; no step had changed anything."
    if is_open and not _reconnected(run):
        return (
            "What stands: not known, because the connection is lost, and nothing could be taken "
            "back. Run the command again, which goes on from here, or look at "
            "`foresql status --on snowflake`."
        )
    return _take_back(run, takes_back, steps[:done])


def _reconnected(run: _Run) -> bool:
    """Get a session that answers, in the plan's role."""
    try:
        run.session.run("SELECT 1")
    except AccountError:
        if run.reconnect is None:
            return False
        try:
            run.session = run.reconnect()
            for step in run.plan.steps:
                if step.sql.upper().startswith("USE "):
                    run.session.run(step.sql)
        except AccountError:
            return False
    return True


def _take_back(run: _Run, steps: list[Step], done: Sequence[Step]) -> str:
    kept: list[str] = []
    if any(step.phase is Phase.SWITCH for step in steps) and (problem := _overtaken(run)):
        return (
            "What stands: someone else has switched the alias meanwhile, so nothing was taken "
            f"back. {problem} Look at `foresql status --on snowflake`."
        )
    for step in reversed(steps):
        for statement in step.undo:
            try:
                run.session.run(statement)
            except AccountError as error:
                kept.append(f"  {first_line(statement)}: {error.problem}")
    if kept:
        return (
            "What stands: these steps could not be taken back; run the statements by hand, or the "
            "command again:\n" + "\n".join(kept)
        )
    taken = f"{_counted(len(steps))} taken back."
    lasting = [step for step in done if _lasts(step) and step.phase is not Phase.CREATE]
    if lasting:
        return f"What stands: {taken} This is done, and stays: {lasting[-1].what}"
    return f"What stands: everything that callers see is as before; {taken}"


def _lasts(step: Step) -> bool:
    """Tell what changes something and has no way back; a grant goes with what it is on."""
    return (
        not step.undo
        and step.phase not in {Phase.PREPARE, Phase.CHECK}
        and not step.sql.startswith(("USE ", "GRANT ", "SELECT ", "EXECUTE "))
    )


def _counted(steps: int) -> str:
    return f"{steps} step{'s were' if steps > 1 else ' was'}"


def _overtaken(run: _Run) -> str:
    """Say whether a guard no longer holds; one that cannot be run says nothing."""
    try:
        run.guard()
    except AccountError as error:
        return error.problem if _GUARDS_SAY in error.problem else ""
    return ""
