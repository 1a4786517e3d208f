"""``foresql dbt-package``."""

from __future__ import annotations

from pathlib import Path

import click

from ..deploy.dbt_package import write_dbt_package
from .options import explained, json_option, print_json


@click.command("dbt-package")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
@explained
def dbt_package_command(folder: Path, as_json: bool) -> None:
    r"""Copy the dbt package `foresql` into a folder of your own dbt project.

    Run again, it brings the package to the installed version. A file of it that you edited is
    renamed to <name>.kept before the new one takes its place.

    \b
    foresql dbt-package packages/foresql
    """
    copy = write_dbt_package(folder)
    if as_json:
        print_json(
            {
                "folder": str(copy.folder),
                "files": copy.files,
                "kept": [str(path) for path in copy.kept],
                "packages": copy.packages,
            }
        )
        return
    click.echo(f"Wrote {copy.files} files to {copy.folder}.")
    for path in copy.kept:
        click.echo(f"You had edited {path.name.partition('.kept')[0]}: your text is {path} now.")
    click.echo(f"\npackages.yml of the project:\n\n{copy.packages}\nThen: dbt deps")
