"""``foresql compile``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ForesqlError
from ..models_sql import COMMENT, FORMS, STRATEGIES, targets
from ..scoring import compile_files, compile_sql
from .options import explained, json_option, print_json, registry_option


@click.command("compile")
@click.argument("reference")
@click.option(
    "--to",
    required=True,
    type=click.Choice(sorted(targets())),
    help="Whose SQL.",
)
@click.option(
    "--as", "form", default="select", show_default=True, type=click.Choice(FORMS), help="What for."
)
@click.option(
    "--from",
    "source",
    metavar="TABLE",
    help="The table to score, as SQL names it; for dbt \"ref('flights')\" or flights.",
)
@click.option("--name", help="Of the view, macro, function or dbt model; score_<model> by default.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="A column beside the answers, such as the key; by default those that the model reads.",
)
@click.option(
    "--strategy",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", *STRATEGIES]),
    help="How forests are written.",
)
@click.option("--double-sums", is_flag=True, help="Add in float64 where the target has no float32.")
@click.option(
    "--fold-case", is_flag=True, help="Write columns as the target stores names without quotes."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file, not the screen. For tables a folder; for dbt a project, or models in one.",
)
@click.option(
    "--stage", metavar="URL", help="Where the engine finds the data files: gs://bucket/folder."
)
@click.option("--overwrite", is_flag=True, help="Replace what this command wrote before.")
@registry_option
@json_option
@explained
def compile_command(
    reference: str,
    to: str,
    form: str,
    output: Path | None,
    stage: str | None,
    overwrite: bool,
    as_json: bool,
    keep: tuple[str, ...],
    source: str | None,
    name: str | None,
    strategy: str,
    double_sums: bool,
    fold_case: bool,
    registry: str | None,
) -> None:
    r"""Write a model as SQL that needs nothing but the engine.

    What the target cannot say exactly is refused, with the reason and the way out.

    \b
    # A query for the screen, with the table's key beside the answers:
    foresql compile delay@champion --to duckdb --from flights --keep flight_id
    # A view in a file:
    foresql compile delay@champion --to snowflake --as view --from flights -o delay.sql
    # A macro, SELECT * FROM score_delay('any_table'):
    foresql compile delay@champion --to duckdb --as macro | duckdb my.duckdb
    # A large model, with its tables and the scripts that load them:
    foresql compile delay@champion --to postgres --as tables --from flights -o delay/
    # A model of a dbt project:
    foresql compile delay@champion --to duckdb --as dbt --from flights --keep flight_id -o .
    """
    options: dict[str, Any] = {
        "form": form,
        "source": source,
        "name": name,
        "keep": keep or None,
        "strategy": strategy,
        "double_sums": double_sums,
        "fold_case": fold_case,
        "registry": registry,
    }
    if _is_folder(form, output):
        files = compile_files(
            reference, to, str(output), stage=stage, overwrite=overwrite, **options
        )
        _report(to, form, files, as_json=as_json)
        return
    if stage is not None:
        message = "--stage names where data files go: use it with --as tables and --output FOLDER."
        raise click.UsageError(message)
    statement = compile_sql(reference, to, **options)
    end = targets()[to].storage.end if form == "tables" else ";\n"
    text = statement + ("\n" if form == "dbt" else end)
    if output is not None:
        _write(output, text, overwrite=overwrite)
    if as_json:
        print_json({"target": to, "form": form, "sql": statement})
    elif output is None:
        click.echo(text, nl=False)


def _is_folder(form: str, output: Path | None) -> bool:
    """Tell a folder from a script in one file, whose name ends with .sql."""
    return output is not None and (form == "dbt" or (form == "tables" and output.suffix != ".sql"))


def _report(to: str, form: str, files: list[Path], *, as_json: bool) -> None:
    if as_json:
        scripts = {str(path): path.read_text("utf-8") for path in files if path.suffix == ".sql"}
        print_json(
            {"target": to, "form": form, "files": [str(path) for path in files], "sql": scripts}
        )
        return
    for path in files:
        click.echo(path)


def _write(output: Path, text: str, *, overwrite: bool) -> None:
    try:
        if output.exists() and not (overwrite or _is_ours(output)):
            message = f"{output} exists, and is not ours. Name another file, or --overwrite it."
            raise ForesqlError(message)
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}."
        raise ForesqlError(message) from error


def _is_ours(path: Path) -> bool:
    """Whether a file begins as what this command writes does."""
    with path.open("rb") as stream:
        return stream.read(len(COMMENT)) == COMMENT.encode()
