"""``foresql dbt-macros``."""

from __future__ import annotations

from pathlib import Path

import click

from ..deploy.dbt_docs import DOCS_MARK, dbt_docs
from ..deploy.dbt_macros import ADAPTERS, DEFAULT_TARGETS, dbt_macros, write_dbt_macros
from .options import explained, json_option, print_json, registry_option, say


@click.command("dbt-macros")
@click.argument("references", nargs=-1, required=True)
@click.option(
    "--to",
    type=click.Choice(sorted(ADAPTERS)),
    multiple=True,
    default=DEFAULT_TARGETS,
    show_default=True,
    help="An adapter that the project builds with; may be repeated.",
)
@click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file, such as macros/foresql_models.sql; the screen by default.",
)
@click.option(
    "--docs",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write what the model cards say, such as models/foresql_models.md, for descriptions.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that this command did not write.")
@click.option(
    "--double-sums",
    is_flag=True,
    help="Add in float64 where the library adds in float32 and the target has none.",
)
@registry_option
@json_option
@explained
def dbt_macros_command(
    references: tuple[str, ...],
    to: tuple[str, ...],
    into: Path | None,
    docs: Path | None,
    overwrite: bool,
    double_sums: bool,
    as_json: bool,
    registry: str | None,
) -> None:
    r"""Tell a dbt project which versions answer, and bring models as SQL where it needs them.

    In Snowflake and DuckDB models are functions, of which the file says versions and columns.
    For any other adapter it holds the models themselves.

    The file belongs into the project's repository. Write it again when another version is to
    answer: dbt never calls a version with columns that the file does not know.

    \b
    foresql dbt-macros delay@champion delay@challenger --into macros/foresql_models.sql
    foresql dbt-macros delay@champion --to postgres --to duckdb --into macros/foresql_models.sql
    foresql dbt-macros delay@champion --docs models/foresql_models.md
    """
    text = dbt_macros(references, registry, to=to, double_sums=double_sums)
    if into is not None:
        write_dbt_macros(text, into, overwrite=overwrite)
    if docs is not None:
        described = dbt_docs(references, registry)
        write_dbt_macros(described, docs, overwrite=overwrite, marks=(DOCS_MARK,))
    written = [path for path in (into, docs) if path is not None]
    if as_json:
        files = {"file": into and str(into)} | ({"docs": str(docs)} if docs else {})
        print_json(files | {"text": text})
    elif not written:
        click.echo(text, nl=False)
    else:
        names = " and ".join(str(path) for path in written)
        say(f"Wrote {names}: {', '.join(dict.fromkeys(references))}.")
