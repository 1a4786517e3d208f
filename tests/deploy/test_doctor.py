"""The doctor on the fake account: it reports what is so, and leaves nothing behind.

That a check passes here says nothing of Snowflake. What is shown is that each report is true of the
account that was asked: of DuckDB, of the emulated runtime, and of what neither has.
"""

import json
import re
from dataclasses import replace

import pytest
from doctor_account import DoctorAccount
from snowflake_account import check_syntax, connector

from foresql.deploy.snowflake.doctor import (
    CHECKS,
    Outcome,
    arguments,
    chosen,
    compiled,
    examine,
    objects,
    runtime,
)
from foresql.deploy.snowflake.doctor.check import Check, Violation, attempt
from foresql.deploy.snowflake.doctor.scratch import COMMENT, Scratch, schema_of
from foresql.deploy.snowflake.settings import Settings
from foresql.errors import AccountError, ForesqlError

SCHEMA, SETTINGS = schema_of("TESTER"), Settings()
NAMES = [check.name for check in CHECKS]
# What the fake account does otherwise than Snowflake's documentation says, and why.
FAILS = {
    "init-once": "the emulated runtime marks the function and does not run it",
    "named-arguments": "DuckDB takes no reserved word for an argument's name",
    "quoted-arguments": "sqlfluff takes no space in an argument's name",
    "integers": "NUMBER(38, 0) is an integer of 64 bits",
    "dynamic-table": "there are no dynamic tables",
}
NOT_TRIED = {
    "alias-under-query": "a second connection",
}


class Recorder:
    """Keeps what each statement was answered."""

    def __init__(self, session):
        self.session = session
        self.calls = []

    @property
    def columns(self):
        return self.session.columns

    def run(self, sql):
        try:
            rows = self.session.run(sql)
        except AccountError as error:
            self.calls.append((sql, error, ()))
            raise
        self.calls.append((sql, rows, tuple(self.session.columns)))
        return rows

    def upload(self, content, stage_path):
        self.session.upload(content, stage_path)

    def close(self):
        self.session.close()


class Replay:
    """Answers as was recorded, but for one answer."""

    def __init__(self, calls, changed=None, answer=None):
        self.calls, self.changed, self.answer = calls, changed, answer
        self.columns = ()
        self.asked = {}

    def run(self, sql):
        places = [i for i, (text, _, _) in enumerate(self.calls) if text == sql]
        if not places:
            self.columns = ("name",)
            return []
        turn = self.asked[sql] = self.asked.get(sql, -1) + 1
        place = places[min(turn, len(places) - 1)]
        _, answer, self.columns = self.calls[place]
        answer = self.answer if place == self.changed else answer
        if isinstance(answer, AccountError):
            raise answer
        return answer

    def upload(self, *_):
        pass


@pytest.fixture(scope="module")
def examined():
    """The report, the account, and what was asked for each check."""
    # sqlglot, which fakesnow reads statements with, is slow and recursive; so is sqlfluff.
    small = {"SIZES": (5000,), "DEPTH": 12, "COLUMNS": 50, "TERMS": 20}
    patch = pytest.MonkeyPatch()
    for name, value in small.items():
        patch.setattr(compiled, name, value)
    patch.setattr(arguments, "ARGUMENTS", 20)
    patch.setattr(runtime, "ROWS", 2000)
    account = DoctorAccount()
    recorder = Recorder(account.session)
    asked, begin = {}, 0

    def watch(result):
        nonlocal begin
        asked[result.check.name] = recorder.calls[begin:]
        begin = len(recorder.calls)

    try:
        yield examine(recorder, SETTINGS, watch=watch), account, asked
    finally:
        patch.undo()
        account.close()


@pytest.fixture
def account():
    made = DoctorAccount()
    yield made
    made.close()


def test_reports_what_is_so(examined):
    report, _, _ = examined
    outcomes = {result.check.name: result.outcome for result in report.results}
    assert list(outcomes) == NAMES
    assert {n for n, outcome in outcomes.items() if outcome is Outcome.FAILED} == set(FAILS)
    found = {r.check.name: r.found for r in report.results if r.outcome is Outcome.NOT_TRIED}
    assert set(found) == set(NOT_TRIED)
    for name, needs in NOT_TRIED.items():
        assert found[name].startswith(f"needs {needs}")
    assert report.failed


def test_leaves_nothing(examined):
    _, account, _ = examined
    assert not [name for name in account.schemas() if "DOCTOR" in name]


def test_sqlfluff_parses_every_statement(examined):
    _, account, _ = examined
    refused = set()
    for sql in {form_of(sql): sql for sql in account.statements}.values():
        try:
            check_syntax(shortened(sql))
        except connector.Error:
            refused.add(sql.partition("\n")[0])
    unknown = {sql for sql in refused if not sql.startswith(UNKNOWN_TO_SQLFLUFF)}
    assert unknown == set()


def form_of(sql):
    """Take statements for one whose numbers and names of tables alone differ."""
    return re.sub(r"[0-9a-f]{16}|[0-9]+|\"[A-Z_]+\"", "#", sql)


def shortened(sql):
    """Leave out what repeats the form of what stands before: parsing all of it takes a minute."""
    if sql.startswith("CREATE OR REPLACE SECURE FUNCTION"):
        return sql  # the account has parsed it
    sql = re.sub(r"((?:UNION ALL .*\n){1})(?:UNION ALL .*\n)+", r"\1", sql)
    sql = re.sub(r"((?:, 1){3})(?:, 1)+", r"\1", sql)
    return sql if len(sql) < 6000 else "SELECT 1"  # a forest, and a nested CASE


UNKNOWN_TO_SQLFLUFF = (
    "PUT @",  # what the account notes of an upload
    "SHOW GRANTS ON FUNCTION",  # with the types of its arguments
    "CREATE TRANSIENT SCHEMA",  # that is a clone and has a comment
    f'CREATE OR REPLACE SECURE FUNCTION "FORESQL"."{SCHEMA}"."QUOTED"("a b" FLOAT',  # a space
)


def changed(answer):
    """Other answers: none at all, and each value in turn."""
    if isinstance(answer, AccountError) or not answer:
        yield [(1, 1, 1, 1)]
        return
    yield []
    for row_index, row in enumerate(answer[:3]):
        for column, value in enumerate(row):
            other = [*answer]
            other[row_index] = (*row[:column], another(value), *row[column + 1 :])
            yield other


def another(value):
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str() if value[:1] in "[{":
            return '["another"]'
        case None:
            return 1
        case _:
            return f"not {value}"


RUNNER = ("SELECT CURRENT_USER()", "SHOW SCHEMAS")
# Answers that are shown and not relied on: another value of them is as good.
INFORMS = (
    "connection",
    "warehouse",
    "python-function",
    "stage-import",
    "dtypes",
    "batches",
    "nan-arguments",
    "copy-grants",
    "deployer-rights",
    "caller-rights",
    "operator-rights",
)
UNUSED = {("deployer-rights", "SHOW FUTURE")}
TRIED = [name for name in NAMES if name not in {*FAILS, *NOT_TRIED, "packages"}]


@pytest.mark.parametrize("name", TRIED)
def test_wrong_answers_fail(examined, name):
    """Whatever one answer of the account is changed to, the check does not pass."""
    _, _, asked = examined
    (check,) = [check for check in CHECKS if check.name == name]
    calls = [call for call in asked[name] if not call[0].startswith(RUNNER)]
    assert outcome_of(check, Replay(calls)) is Outcome.PASSED
    tried = 0
    for place, (sql, answer, _) in enumerate(calls):
        if isinstance(answer, AccountError) or sql.startswith(("SELECT", "SHOW")):
            for other in changed(answer) if (name, sql[:11]) not in UNUSED else ():
                outcome = outcome_of(check, Replay(calls, place, other))
                assert outcome is not Outcome.PASSED or (name in INFORMS and other), (
                    sql,
                    answer,
                    other,
                )
                tried += outcome is Outcome.FAILED
    assert tried


def outcome_of(check, session):
    scratch = Scratch(session, SETTINGS, SCHEMA)
    return attempt(check, scratch, check.after).outcome


@pytest.mark.parametrize("name", NAMES)
def test_errors_of_the_account_fail(name):
    """A check whose statements are all refused for another reason has failed."""
    (check,) = [check for check in CHECKS if check.name == name]
    error = AccountError("the account is on fire", "leave", code="000603")

    class Burning(Replay):
        def run(self, *_):
            raise error

        upload = run

    outcome = outcome_of(check, Burning([]))
    expected = {"alias-under-query": Outcome.NOT_TRIED, "packages": Outcome.PASSED}
    assert outcome is expected.get(name, Outcome.FAILED)


def test_what_the_role_may_not_is_not_tried(account):
    account.fail_on(r"CREATE STAGE", "refused")
    report = examine(account.session, SETTINGS, checks=chosen(["stage-import"]))
    outcomes = {result.check.name: result for result in report.results}
    assert outcomes["python-function"].outcome is Outcome.PASSED
    assert outcomes["stage-import"].outcome is Outcome.NOT_TRIED
    assert outcomes["stage-import"].found == "needs CREATE STAGE on the schema"
    assert not report.failed


def test_without_the_shared_repository(account):
    account.fail_on("ARTIFACT_REPOSITORY", "refused")
    report = examine(account.session, SETTINGS, checks=chosen(["packages", "float-bits"]))
    outcomes = {result.check.name: result.outcome for result in report.results}
    assert outcomes["python-function"] is outcomes["float-bits"] is Outcome.PASSED
    assert outcomes["packages"] is Outcome.FAILED


def test_lacking_rights_are_listed(account):
    account.grants.remove('GRANT USAGE ON SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_CALLER"')
    report = examine(account.session, SETTINGS, checks=chosen(["caller-rights"]))
    (result,) = report.results
    assert result.outcome is Outcome.FAILED
    assert result.found == (
        'FORESQL_CALLER lacks: GRANT USAGE ON SCHEMA "FORESQL"."SERVING" TO ROLE "FORESQL_CALLER"'
    )


def test_roles_that_are_not_there(account):
    account.fail_on("SHOW GRANTS TO ROLE", "unknown role")
    report = examine(account.session, SETTINGS, checks=chosen(["operator-rights"]))
    assert report.results[0].outcome is Outcome.NOT_TRIED
    assert "foresql setup snowflake" in report.results[0].found


def test_without_a_warehouse(account):
    account.session.run("SELECT 1")
    account.fail_on(r"^SELECT (?!CURRENT)", "no warehouse")
    report = examine(account.session, SETTINGS, checks=chosen(["nan-order", "python-function"]))
    outcomes = {result.check.name: result for result in report.results}
    assert outcomes["python-function"].found == "needs a warehouse"
    assert outcomes["nan-order"].found == "needs a warehouse"
    assert not report.failed


def test_without_the_right_to_make_a_schema(account):
    account.fail_on(r"CREATE TRANSIENT SCHEMA", "refused")
    report = examine(account.session, SETTINGS)
    made = [result for result in report.results if result.check.name in ("warehouse", "exp")]
    assert [result.outcome for result in made] == [Outcome.PASSED, Outcome.NOT_TRIED]
    assert made[1].found.startswith("needs CREATE SCHEMA on the database FORESQL")
    assert not report.failed


def test_schema_of_a_killed_run_is_dropped_first(account):
    make_schema(account, COMMENT)
    account.session.run(f'CREATE TABLE "FORESQL"."{SCHEMA}"."LEFT" (x FLOAT)')
    report = examine(account.session, SETTINGS, checks=chosen(["nan-order"]))
    assert report.left == (SCHEMA,)
    assert f"Dropped what an earlier run left: {SCHEMA}." in report.markdown()
    assert SCHEMA not in account.schemas()


def test_schema_of_somebody_else_stays(account):
    make_schema(account, "mine")
    with pytest.raises(ForesqlError, match=f"The schema FORESQL.{SCHEMA} is there"):
        examine(account.session, SETTINGS, checks=chosen(["nan-order"]))
    assert SCHEMA in account.schemas()


def make_schema(account, comment):
    account.session.run(f'CREATE TRANSIENT SCHEMA "FORESQL"."{SCHEMA}" COMMENT = \'{comment}\'')


@pytest.mark.parametrize("when", [r"^CREATE TRANSIENT SCHEMA", r"^USE SCHEMA", r"CREATE.*FUNCTION"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_interrupted_run_drops_its_schema(account, when, kind):
    class Interrupted(Recorder):
        def run(self, sql):
            rows = super().run(sql)
            if re.search(when, sql):
                raise kind
            return rows

    with pytest.raises(kind):
        examine(Interrupted(account.session), SETTINGS)
    assert any("CREATE TRANSIENT SCHEMA" in sql for sql in account.statements)
    assert SCHEMA not in account.schemas()


def test_schema_that_cannot_be_dropped_is_named(account):
    account.fail_on(r"DROP SCHEMA", "lost")
    with pytest.raises(AccountError, match=rf"the schema FORESQL\.{SCHEMA} could not be dropped"):
        examine(account.session, SETTINGS, checks=chosen(["nan-order"]))


def test_lost_connection_ends_the_run(account):
    account.fail_on(r"ORDER BY x$", "lost")
    with pytest.raises(AccountError, match="Could not connect"):
        examine(account.session, SETTINGS, checks=chosen(["nan-order"]))
    assert SCHEMA not in account.schemas()


def test_query_under_a_switch(account, monkeypatch):
    """A second connection that answers as is relied on, or with the new version."""
    monkeypatch.setattr(objects, "WAIT", 0)
    for answer, outcome in ((10.0, Outcome.PASSED), (15.0, Outcome.FAILED)):

        class Other(Replay):
            def close(self):
                self.closed = True

        other = Other([(f'SELECT "FORESQL"."{SCHEMA}"."ALIAS"(5)', [(answer,)], ())])
        checks = chosen(["alias-under-query"])
        report = examine(
            account.session, SETTINGS, checks=checks, connect=lambda other=other: other
        )
        assert report.results[-1].outcome is outcome
        assert other.closed


def test_report_tells_what_to_do(examined):
    report, _, _ = examined
    text = report.markdown()
    for result in report.results:
        assert f"| `{result.check.name}` | " in text
        told = f"### {result.check.name}\n\n{result.check.means}\n" in text
        assert told is (result.outcome is Outcome.FAILED)
    assert text.index("## Failed") < text.index("## Not tried") < text.index("## Passed")
    plain = report.plain()
    assert [each["name"] for each in plain["checks"]] == NAMES
    assert json.loads(json.dumps(plain)) == plain


def test_bars_do_not_break_the_table():
    def fail(_):
        message = "a | b\nc"
        raise Violation(message)

    check = Check(name="x", claim="x", means="x", attempt=fail)
    report = examine(Replay([("SELECT CURRENT_USER()", [("U",)], ())]), SETTINGS, checks=())
    assert report.markdown().startswith("# foresql doctor snowflake\n\n0 passed, 0 failed")
    result = attempt(check, None, ())
    assert "| `x` | x | a \\| b c |" in replace(report, results=(result,)).markdown()


def test_chosen_checks_come_with_what_they_build_on():
    assert [check.name for check in chosen(["exp"])] == ["python-function", "float-bits", "exp"]
    with pytest.raises(ForesqlError, match="There is no check 'nonsense'"):
        chosen(["nonsense"])


def test_checks_build_on_earlier_ones():
    for index, check in enumerate(CHECKS):
        assert set(check.after) <= set(NAMES[:index]), check.name
        assert check.claim.endswith(".")
        assert check.means.endswith(".")
    assert len(set(NAMES)) == len(NAMES)
