"""What deploying to Snowflake relies on, and what each claim rests on.

Three kinds of evidence: a test that runs here, a page of Snowflake's documentation, and a check
that `foresql doctor snowflake` tries in an account. The table in docs/snowflake.md is this one; a
test finds each test and each check by its name.
"""

from __future__ import annotations

from dataclasses import dataclass

_DEPLOY, _UDFS = "tests/deploy", "tests/udfs/snowflake"
_INCREMENTAL = f"{_DEPLOY}/test_incremental.py"
_TRANSACTION = f"{_DEPLOY}/test_transaction.py"
_DEPLOYMENT = f"{_DEPLOY}/test_deployment.py"
_SCRIPTS = f"{_DEPLOY}/test_golden_scripts.py"
_SESSION = f"{_DEPLOY}/test_session.py"
_FAKESNOW = "tests/models_sql/test_fakesnow.py"

_VECTORIZED = "Vectorized Python UDFs"
_CREATE_FUNCTION = "CREATE FUNCTION"
_PRIVILEGES = "Granting privileges for user-defined functions"
_STREAMS = "Introduction to Streams"
_TASKS = "Introduction to tasks"
_DYNAMIC = "Supported queries for dynamic tables"
_NUMBERS = "Numeric data types"


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that is relied on.

    Attributes
    ----------
    what
        It, in one sentence.
    proven
        Tests that show it here: ``tests/file.py::test_name``.
    documented
        Titles of pages of Snowflake's documentation that say it.
    tried
        Checks of the doctor that try it in an account.
    """

    what: str
    proven: tuple[str, ...] = ()
    documented: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


CLAIMS = (
    Claim(
        "The uploaded code gives the kernel's bits, in batches of any length and for every dtype "
        "that is documented.",
        (
            f"{_UDFS}/test_models.py::test_probe_rows_have_the_kernels_bits_in_whatever_batches",
            f"{_UDFS}/test_columns.py::test_every_dtype_is_read_exactly",
            f"{_UDFS}/test_runtime.py::test_every_way_in",
        ),
        (_VECTORIZED,),
        ("deployed-stage", "deployed-inline", "float-dtype", "dtypes", "batches"),
    ),
    Claim(
        "Raw scores of LightGBM are the library's own, also on split boundaries.",
        (
            f"{_UDFS}/test_models.py::test_raw_scores_are_lightgbms_own_on_its_boundaries",
            f"{_UDFS}/test_runtime.py::test_boundary_rows_catch_a_wrong_comparison",
        ),
        (),
        ("float-bits", "deployed-stage"),
    ),
    Claim(
        "Probabilities are the library's to the last digits that exponentials leave open.",
        (f"{_UDFS}/test_models.py::test_probabilities",),
        (),
        ("last-bits",),
    ),
    Claim(
        "NULL and NaN reach a function, and are both missing.",
        (f"{_DEPLOY}/test_account.py::test_batches_are_ragged_and_typed",),
        (_VECTORIZED,),
        ("nan-arguments", "versions"),
    ),
    Claim(
        "Functions take up to 500 arguments, by position or by name; beyond, one OBJECT.",
        (f"{_UDFS}/test_statements.py::test_500_columns_are_arguments_and_501_an_object",),
        (_CREATE_FUNCTION, "Calling a UDF"),
        ("arguments", "named-arguments", "quoted-arguments", "object-arguments"),
    ),
    Claim(
        "Probabilities by class, contributions and intervals come in an OBJECT with all bits.",
        (f"{_UDFS}/test_runtime.py::test_packed_columns_and_vectors_that_json_cannot_hold",),
        ("SQL-Python Data Type Mappings",),
        ("object-results",),
    ),
    Claim(
        "Code is imported from a stage, or from the body of a function.",
        (
            f"{_DEPLOY}/test_account.py::test_uploaded_handler_answers_behind_both_names",
            f"{_DEPLOY}/test_account.py::test_inline_body",
        ),
        (_CREATE_FUNCTION, "Query size limits"),
        ("python-function", "stage-import", "body-size", "init-once"),
    ),
    Claim(
        "numpy and pandas are there in the releases that the code was tested with.",
        (f"{_UDFS}/test_runtime.py::test_every_way_in",),
        ("Artifact Repository overview",),
        ("packages",),
    ),
    Claim(
        "The same bundle gives the same bytes.",
        (f"{_UDFS}/test_artifact.py::test_two_processes_write_the_same_bytes",),
    ),
    Claim(
        "What needs libraries that are not there is refused by name.",
        (f"{_UDFS}/test_artifact.py::test_a_model_that_is_kept_whole_is_refused",),
    ),
    Claim(
        "A full deployment, an upgrade and a rollback are the scripts that were reviewed.",
        (f"{_SCRIPTS}::test_script", f"{_SCRIPTS}::test_sqlfluff_parses_every_statement"),
    ),
    Claim(
        "A failure at any step, or a kill, leaves callers with the old version.",
        (
            f"{_TRANSACTION}::test_a_failure_at_any_step_leaves_all_as_it_was",
            f"{_TRANSACTION}::test_a_kill_between_any_two_steps",
        ),
        (_CREATE_FUNCTION,),
        ("connection", "warehouse"),
    ),
    Claim(
        "A golden row that is wrong stops the deployment before anyone sees the version.",
        (f"{_DEPLOYMENT}::test_a_wrong_answer_stops_before_anyone_sees_it",),
        (),
        ("failing-check", "text-literals"),
    ),
    Claim(
        "Replacing the alias function switches later queries; running ones end as they began.",
        (f"{_DEPLOYMENT}::test_upgrade_reports_what_changes_and_rollback_returns",),
        (_CREATE_FUNCTION,),
        ("alias-switch", "alias-under-query"),
    ),
    Claim(
        "COPY GRANTS keeps who may call a replaced function; comments hold the hashes.",
        (),
        (_CREATE_FUNCTION,),
        ("copy-grants", "comments"),
    ),
    Claim(
        "Each role has the rights that it needs, and no more.",
        (f"{_SCRIPTS}::test_script",),
        (_PRIVILEGES,),
        ("deployer-rights", "caller-rights", "operator-rights"),
    ),
    Claim(
        "Inline functions work in a clone of their schema.",
        (),
        ("Cloning considerations",),
        ("clone",),
    ),
    Claim(
        "No secret is printed, logged or put into a message.",
        (
            f"{_SESSION}::test_no_secret_is_shown_when_a_connection_fails",
            f"{_SESSION}::test_no_secret_is_shown_when_a_statement_fails",
        ),
    ),
    Claim(
        "Compiled SQL says what the kernel computes.",
        (f"{_FAKESNOW}::test_syntax_of_queries", f"{_FAKESNOW}::test_syntax_of_views"),
        (),
        ("compiled-model", "boundaries", "addition", "exact-functions"),
    ),
    Claim(
        "Compiled SQL has exact numbers: quotients, integers beyond 2**53, tiny ones, overflows.",
        (f"{_UDFS}/test_literals.py::test_any_number_keeps_its_bits",),
        (_NUMBERS,),
        ("literals", "integers", "denormals", "overflow"),
    ),
    Claim(
        "NaN equals itself and is the greatest number.",
        (),
        (_NUMBERS,),
        ("nan-comparisons", "nan-order"),
    ),
    Claim("EXP and LN in SQL are within 2 ulp.", (), (), ("exp", "ln")),
    Claim(
        "Texts are compared byte by byte, whatever their collation.",
        (),
        ("Collation support",),
        ("text-bytes",),
    ),
    Claim(
        "Statements may be as long and as deep as they are written.",
        (),
        ("Query size limits",),
        ("statement-size", "nesting"),
    ),
    Claim(
        "A row that a model refuses ends the query with the reason.",
        (),
        (),
        ("refused-rows",),
    ),
    Claim(
        "A stream has each change once, and its offset moves with the commit that reads it.",
        (f"{_INCREMENTAL}::test_random_changes_upgrades_and_lost_runs",),
        (_STREAMS, "Transactions"),
        ("stream", "stream-offset", "stream-has-data"),
    ),
    Claim(
        "Predictions are a full rescore after insertions, updates, deletions, replays and kills.",
        (
            f"{_INCREMENTAL}::test_random_changes_upgrades_and_lost_runs",
            f"{_INCREMENTAL}::test_a_lost_run_is_run_again",
            f"{_INCREMENTAL}::test_a_batch_that_comes_again_changes_nothing",
        ),
        ("MERGE",),
        ("stream-merge",),
    ),
    Claim(
        "A key that comes twice in one batch of changes stops the run, and changes nothing.",
        (f"{_INCREMENTAL}::test_a_key_that_repeats_stops_the_run",),
        ("MERGE",),
        ("stream-duplicates",),
    ),
    Claim("A stream triggers a serverless task.", (), (_TASKS, "CREATE TASK"), ("task",)),
    Claim(
        "A dynamic table with the function in its SELECT is refreshed incrementally.",
        (),
        (_DYNAMIC,),
        ("dynamic-table",),
    ),
    Claim(
        "The dbt project builds with the target snowflake, and scores what DuckDB scores.",
        ("tests/dbt_project/test_snowflake.py::test_predictions_are_those_of_duckdb_bit_for_bit",),
    ),
)


def claims_table() -> str:
    """Write the table for the documentation."""
    lines = [
        "| what is relied on | proven here | documented by Snowflake | tried on your account by |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {claim.what} | {_tests(claim)} | {', '.join(claim.documented)} "
        f"| {', '.join(f'`{name}`' for name in claim.tried)} |"
        for claim in CLAIMS
    ]
    return "\n".join(lines).replace("  |", " |") + "\n"


def _tests(claim: Claim) -> str:
    files = dict.fromkeys(test.partition("::")[0] for test in claim.proven)
    return ", ".join(f"`{file}`" for file in files)
