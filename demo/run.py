"""The demo from start to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from .closing import print_figures, print_next_commands
from .dbt_command import DbtRun, install_packages, run_dbt
from .flights import load_flights
from .report import Answer, ask_questions, print_answers
from .requirements import check_installed
from .steps import Steps
from .train import Trained, read_split, train_challenger, train_champion
from .workspace import Workspace, open_workspace, write_project_file

__all__ = ["run_demo"]

MODEL = "delay"
DOCS = "models/foresql_models.md"
# The history of predictions, which a nightly run keeps, is nothing that the demo shows.
BUILD = ("build", "--exclude", "resource_type:snapshot")
DESCRIPTION = "Whether a flight from New York City arrives more than 15 minutes late."
PREDICTIONS = "model.foresql_flights.delay_predictions"


def run_demo(folder: str | Path, console: Console, *, json: bool = False) -> dict[str, Any]:
    """Load real flights, train two models, publish them, score in DuckDB, show the answers.

    Parameters
    ----------
    folder
        Where everything goes: the database, the registry of models, the dbt project. It is
        created, or started over where an earlier demo made it.
    console
        Where to print steps, tables and bars.
    json
        Print nothing: the caller prints the figures.

    Returns
    -------
    dict
        The figures, all of them types that JSON has.

    Raises
    ------
    DemoError
        The folder is not the demo's, a package is not installed, or dbt failed.
    """
    check_installed()
    screen = Console(quiet=True) if json else console
    workspace = open_workspace(Path(folder))
    steps = Steps(screen)
    rows = prepare_features(workspace, steps)
    models = publish_models(workspace, steps)
    scoring = score_flights(workspace, steps)
    answers = answer_questions(workspace, steps)
    figures = {
        "folder": str(workspace.folder),
        "rows": rows,
        "models": models,
        "scoring": scoring,
        "queries": {name: describe_answer(answer) for name, answer in answers.items()},
        "seconds": round(steps.seconds, 1),
    }
    print_answers(screen, answers)
    print_figures(screen, figures)
    print_next_commands(screen, workspace)
    return figures


def prepare_features(workspace: Workspace, steps: Steps) -> dict[str, int]:
    with steps.step("Loading the flights of New York City in 2013") as step:
        rows = load_flights(workspace.database)
        step.title = f"Loaded {rows['flights']:,} flights, weather, planes, airports, airlines"
    with steps.step("Building features and outcomes with dbt") as step:
        install_packages(workspace)
        run_dbt(
            workspace,
            "build_features",
            *("build", "--selector", "before_training"),
            progress=step.advance,
        )
        step.title = "Built features and outcomes with dbt"
    return rows


def publish_models(workspace: Workspace, steps: Steps) -> list[dict[str, Any]]:
    with steps.step("Reading the training data") as step:
        split = read_split(workspace.database)
        step.title = (
            f"Read {len(split.train_labels):,} flights to train on, January to September, "
            f"and {len(split.test_labels):,} to test on"
        )
    published: list[dict[str, Any]] = []
    for alias, kind, train in (
        ("champion", "LightGBM", train_champion),
        ("challenger", "logistic regression", train_challenger),
    ):
        with steps.step(f"Training {kind}") as step:
            trained = train(split)
            step.title = f"Trained {kind}, AUC {trained.auc:.3f} on the later flights"
        published.append(publish_model(workspace, steps, trained, alias) | {"kind": kind})
    document_models(workspace)
    return published


def publish_model(
    workspace: Workspace, steps: Steps, trained: Trained, alias: str
) -> dict[str, Any]:
    from ..certify import publish

    with steps.step(f"Certifying and publishing {MODEL}@{alias}") as step:
        version = publish(
            MODEL,
            trained.estimator,
            like=trained.features,
            metrics={"auc": trained.auc},
            alias=alias,
            registry=workspace.registry,
            description=DESCRIPTION,
            progress=step.say,
        )
        certificate = version.certificate
        step.title = (
            f"Published {version.reference} as {MODEL}@{alias}: {certificate.rows:,} probe rows, "
            f"largest difference {certificate.largest_difference:g}"
        )
    return {
        "alias": alias,
        "reference": version.reference,
        "auc": trained.auc,
        "certificate_rows": certificate.rows,
        "largest_difference": certificate.largest_difference,
    }


def document_models(workspace: Workspace) -> None:
    """Put the model cards into the descriptions of the project, as the compile step does."""
    from ..deploy.dbt_docs import dbt_docs

    references = [f"{MODEL}@{alias}" for alias in ("champion", "challenger")]
    write_project_file(workspace, DOCS, dbt_docs(references, workspace.registry))


def score_flights(workspace: Workspace, steps: Steps) -> dict[str, Any]:
    with steps.step("Scoring all flights with dbt") as step:
        # Predictions of an earlier demo in the same folder are not taken over.
        build = run_dbt(workspace, "build", *BUILD, "--full-refresh", progress=step.advance)
        rows = count_scored(workspace, build)
        step.title = f"dbt build scored {rows:,} flights and tested them"
    with steps.step("Building again, with nothing new") as step:
        again = run_dbt(workspace, "build_again", *BUILD, progress=step.advance)
        rows_again = count_scored(workspace, again)
        step.title = f"dbt build again scored {rows_again:,} flights: none was new or changed"
    seconds = build.node_seconds[PREDICTIONS]
    return {
        "rows": rows,
        "seconds": seconds,
        "rows_per_second": round(rows / seconds),
        "rows_second_build": rows_again,
    }


def count_scored(workspace: Workspace, run: DbtRun) -> int:
    with duckdb.connect(str(workspace.database), read_only=True) as connection:
        counted = connection.execute(
            "select count(*) from delay_predictions where run_id = ?", [run.invocation_id]
        ).fetchone()
    return int(counted[0]) if counted else 0


def answer_questions(workspace: Workspace, steps: Steps) -> dict[str, Answer]:
    with steps.step("Asking the model in SQL") as step:
        export_features(workspace)
        answers = ask_questions(workspace.database, workspace.registry)
        asked = sum(flights for answer in answers.values() for _, flights, _, _ in answer.rows)
        step.title = f"Asked the model in SQL: {len(answers)} queries scored {asked:,} rows"
    return answers


def export_features(workspace: Workspace) -> None:
    with duckdb.connect(str(workspace.database), read_only=True) as connection:
        connection.table("flight_features").write_parquet(str(workspace.features))


def describe_answer(answer: Answer) -> dict[str, Any]:
    names = (answer.name, "flights", "predicted", "actual")
    return {
        "sql": answer.question.sql,
        "seconds": answer.seconds,
        "rows": [dict(zip(names, row, strict=True)) for row in answer.rows],
    }
