"""``foresql compile``."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ForesqlError
from ..models_sql import FORMS, targets
from ..scoring import compile_sql
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
@click.option("--from", "source", metavar="TABLE", help="The table to score, as SQL names it.")
@click.option("--name", help="Of the view, macro or function; score_<model> by default.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="A column beside the answers, such as the key; by default those that the model reads.",
)
@click.option("--double-sums", is_flag=True, help="Add in float64 where the target has no float32.")
@click.option(
    "--fold-case", is_flag=True, help="Write columns as the target stores names without quotes."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="A file, not the screen.")
@registry_option
@json_option
@explained
def compile_command(
    reference: str,
    to: str,
    form: str,
    source: str | None,
    name: str | None,
    keep: tuple[str, ...],
    double_sums: bool,
    fold_case: bool,
    output: str | None,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Write a model as SQL that needs nothing but the engine.

    What the target cannot say exactly is refused, with the reason and the way out.

    \b
    foresql compile delay@champion --to duckdb --from flights --keep flight_id
    foresql compile delay@champion --to snowflake --as view --from flights -o delay.sql
    """
    statement = compile_sql(
        reference,
        to,
        form=form,
        source=source,
        name=name,
        keep=keep or None,
        double_sums=double_sums,
        fold_case=fold_case,
        registry=registry,
    )
    if output is not None:
        try:
            Path(output).write_text(f"{statement};\n", encoding="utf-8")
        except OSError as error:
            message = f"{output} cannot be written: {error.strerror}."
            raise ForesqlError(message) from error
    if as_json:
        print_json({"target": to, "form": form, "sql": statement})
    elif output is None:
        click.echo(f"{statement};")
