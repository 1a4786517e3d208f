"""``foresql import``."""

from __future__ import annotations

import click

from ..certify import import_model
from .options import explained, json_option, registry_option
from .publishing import metrics_of, print_version, stages
from .sources import load_rows


@click.command(name="import")
@click.argument("path")
@click.option("--name", help="The model's name; by default that of the file.")
@click.option("--like", help="Rows such as the model was trained on: Parquet, CSV or Arrow.")
@click.option("--iterations", type=int, help="How many boosting rounds to use, from the first.")
@click.option("--uncertified", is_flag=True, help="Ask no library; the card says so.")
@click.option("--alias", help="Point this alias at the new version.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=VALUE", help="For the card.")
@click.option("--description", default="", help="For the card.")
@registry_option
@json_option
@explained
def import_command(
    path: str,
    name: str | None,
    like: str | None,
    iterations: int | None,
    uncertified: bool,
    alias: str | None,
    metrics: tuple[str, ...],
    description: str,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Certify a model file and put it into the registry.

    PATH is a model file of LightGBM (.txt) or XGBoost (.json, .ubj), the folder of an MLflow
    model, or an address of MLflow (models:/delay@champion, runs:/…/model). The library confirms
    it; without --like, on rows that are made up from the model's own splits.

    \b
    foresql import delay.txt --like train.parquet --alias champion
    foresql import models:/delay/3 --name delay
    foresql import delay.ubj --uncertified         where XGBoost is not installed
    """
    rows = None if like is None else load_rows(like)
    with stages(as_json) as report:
        version = import_model(
            path,
            name=name,
            like=rows,
            iterations=iterations,
            uncertified=uncertified,
            alias=alias,
            metrics=metrics_of(metrics),
            description=description,
            registry=registry,
            progress=report,
        )
    print_version(version, "Imported", as_json=as_json)
