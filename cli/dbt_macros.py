"""``foresql dbt-macros``."""

from __future__ import annotations

from pathlib import Path

import click

from ..deploy.dbt_macros import dbt_macros, write_dbt_macros
from .options import explained, json_option, print_json, registry_option, say


@click.command("dbt-macros")
@click.argument("references", nargs=-1, required=True)
@click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file, such as macros/foresql_models.sql; the screen by default.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that this command did not write.")
@registry_option
@json_option
@explained
def dbt_macros_command(
    references: tuple[str, ...],
    into: Path | None,
    overwrite: bool,
    as_json: bool,
    registry: str | None,
) -> None:
    r"""Tell a dbt project which columns deployed models take in Snowflake.

    The file belongs into the project's repository. Write it again when a version with other
    columns is deployed: until then dbt refuses to call it.

    \b
    foresql dbt-macros delay@champion delay@challenger --into macros/foresql_models.sql
    """
    text = dbt_macros(references, registry)
    if into is not None:
        write_dbt_macros(text, into, overwrite=overwrite)
    if as_json:
        print_json({"file": into and str(into), "text": text})
    elif into is None:
        click.echo(text, nl=False)
    else:
        say(f"Wrote {into}: {', '.join(dict.fromkeys(references))}.")
