"""``foresql sql`` and ``score``."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import click
import duckdb
from rich.markup import escape

from ..scoring import rewrite, run_query, score_file
from ..scoring.query import open_database
from ..scoring.streams import BATCH_ROWS
from .options import (
    EXIT_FAILED,
    explained,
    fail,
    json_option,
    print_json,
    progress_bar,
    registry_option,
    say,
)


@click.command()
@click.argument("query")
@click.option("--database", type=click.Path(), help="A DuckDB file to query; memory by default.")
@click.option("--write", is_flag=True, help="Let the query change the file; else it is read-only.")
@click.option("--rows", default=40, show_default=True, help="How many rows to print.")
@click.option("--explain", is_flag=True, help="Say how it would be rewritten, and stop.")
@click.option("--rewrite", "rewrites", is_flag=True, help="Rewrite the query where that pays.")
@registry_option
@json_option
@explained
def sql(
    query: str,
    database: str | None,
    write: bool,
    rows: int,
    explain: bool,
    rewrites: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Run SQL in DuckDB with the registry's models in it.

    predict_delay is the champion of delay, predict_delay_challenger its challenger; beside them
    stand predict_proba_delay, explain_delay, interval_delay and version_delay. Files are tables.

    \b
    foresql sql "SELECT predict_delay(f) FROM 'flights.parquet' f LIMIT 5"
    foresql sql "SELECT carrier, avg(predict_proba_delay(f)) FROM flight_features f GROUP BY 1" \
        --database flights.duckdb
    """
    with open_database(database, write=write) as connection:
        try:
            if explain:
                _explain(query, connection, registry, as_json=as_json)
                return
            if rewrites:
                relation = rewrite(query, connection, registry=registry).relation
            else:
                relation = run_query(connection, query, registry=registry)
            if as_json:
                print_json(_objects(relation))
            elif relation is not None:
                relation.show(max_rows=rows)
        except duckdb.Error as error:
            fail(str(error), kind=type(error).__name__, as_json=as_json)
            sys.exit(EXIT_FAILED)


def _explain(
    query: str, connection: duckdb.DuckDBPyConnection, registry: str | None, *, as_json: bool
) -> None:
    """Print what the rewriter does with a query, without running it."""
    with rewrite(query, connection, registry=registry) as rewritten:
        if as_json:
            print_json(rewritten.explain.as_dict() | {"sql": rewritten.sql})
        else:
            say(escape(str(rewritten.explain)))


def _objects(relation: duckdb.DuckDBPyRelation | None) -> list[dict[str, Any]]:
    """Give each row as an object; columns that share a name are numbered from the second on."""
    if relation is None:
        return []
    names: list[str] = []
    for column in relation.columns:
        numbered = itertools.chain([column], (f"{column}_{n}" for n in itertools.count(1)))
        names.append(next(name for name in numbered if name not in names))
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


@click.command()
@click.argument("reference")
@click.argument("source", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
@click.option("--columns", help="The input's columns to carry over, by commas; all by default.")
@click.option(
    "--threads", type=click.IntRange(1), help="Threads that score; one a core by default."
)
@click.option(
    "--batch-rows",
    type=click.IntRange(1),
    default=BATCH_ROWS,
    show_default=True,
    help="The most rows to score at a time.",
)
@registry_option
@json_option
@explained
def score(
    reference: str,
    source: str,
    output: str,
    overwrite: bool,
    columns: str | None,
    threads: int | None,
    batch_rows: int,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Score a file into a file: Parquet, CSV or Arrow IPC, of any size.

    The input may be a folder or a pattern of Parquet or Arrow files.

    The output has the input's columns, and prediction, probability, model_name, model_version and
    scored_at. It appears when it is whole.

    \b
    foresql score delay@champion flights.parquet scored.parquet
    foresql score delay:3 flights.csv scored.csv --overwrite
    foresql score delay 'days/*.parquet' scored.parquet --columns id,day
    """
    with progress_bar() as bar:
        task = bar.add_task(escape(f"scoring {source}"), total=None)
        scored = score_file(
            reference,
            source,
            output,
            registry=registry,
            columns=None if columns is None else [name for name in columns.split(",") if name],
            overwrite=overwrite,
            threads=threads,
            batch_rows=batch_rows,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    rate = scored.rows / scored.seconds
    if as_json:
        print_json(
            {
                "rows": scored.rows,
                "seconds": round(scored.seconds, 3),
                "rows_per_second": round(rate),
                "output": str(scored.output),
                "model": scored.model,
                "version": scored.version,
            }
        )
    else:
        say(
            f"Scored {scored.rows:,} rows in {scored.seconds:.1f} s ({rate:,.0f} rows/s) into "
            f"{scored.output}."
        )
