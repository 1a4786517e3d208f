"""All commands, gathered. Each only parses, calls and prints."""

from __future__ import annotations

import click

from .bench import bench
from .bus import bus
from .compiling import compile_command
from .dbt_macros import dbt_macros_command
from .dbt_package import dbt_package_command
from .demo import demo
from .demo_stream import demo_stream
from .deploying import deploy, setup, status, undeploy
from .deploying_sql import deploy_sql
from .doctor import doctor
from .endpoint import endpoint
from .importing import import_command
from .materialize import materialize
from .models import models, promote, rollback, show
from .online import online
from .options import EXIT_CODES, unwrapped
from .publish_serving import publish_serving
from .publishing import certify, publish
from .report import report
from .schedule import schedule
from .scoring import score, sql
from .serve_files import serve_files
from .serving import serve
from .stream import stream
from .tasks import task
from .terminating import Terminable
from .traffic import traffic
from .worker import worker


@click.group(
    cls=Terminable, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES
)
@click.version_option(package_name="foresql", prog_name="foresql")
@unwrapped
def main() -> None:
    r"""Put a trained model where the data is, and get the library's own answer there.

    \b
    foresql demo                                   the whole thing, on real flights
    foresql publish delay train.py:model --data train.parquet --alias champion
    foresql sql "SELECT predict_delay(f) FROM 'flights.parquet' f"
    """


for command in (
    demo,
    demo_stream,
    publish,
    import_command,
    models,
    show,
    promote,
    rollback,
    sql,
    score,
    compile_command,
    dbt_macros_command,
    dbt_package_command,
    certify,
    setup,
    deploy,
    deploy_sql,
    undeploy,
    status,
    doctor,
    stream,
    task,
    worker,
    bus,
    serve,
    endpoint,
    traffic,
    serve_files,
    bench,
    publish_serving,
    materialize,
    online,
    schedule,
    report,
):
    main.add_command(command)
