"""Checks of a whole version: what `foresql deploy` makes of a model, from the stage and inline."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ....ir.bundle import Bundle, encode_bundle
from ....udfs.snowflake.artifact import build_artifact
from ....udfs.snowflake.functions import served_functions
from ....udfs.snowflake.names import Places
from ....udfs.snowflake.statements import Release, create_versioned
from .bits import bits_function, hexadecimal, in_order
from .check import Check, expect
from .compiled import forest_model, kernel_answers, probe_rows, probe_table

if TYPE_CHECKING:
    from .scratch import Scratch

_STAGE = "BUNDLES"
_MODEL = "doctor"


def _version(scratch: Scratch, *, is_inline: bool) -> str:
    """Deploy a forest by the production statements, and hold it against the kernel."""
    model = forest_model(20, 16)
    bundle = Bundle(model)
    number = 1 if is_inline else 2
    artifact = build_artifact(bundle, _MODEL, number)
    predict = next(each for each in served_functions(model)[0] if each.kind == "predict")
    release = Release(_MODEL, number, encode_bundle(bundle)[1], (predict,))
    schema = scratch.schema
    places = Places(database=scratch.database, models=schema, serving=schema, stage=_STAGE)
    if not is_inline:
        scratch.run(f"CREATE STAGE IF NOT EXISTS {scratch.place(_STAGE)}")
        scratch.session.upload(artifact.content, places.staged(artifact.stage_path))
    scratch.run(
        create_versioned(
            release,
            predict,
            artifact,
            places,
            is_inline=is_inline,
            repository=scratch.repository,
        )
    )
    rows = probe_rows(model)
    table = probe_table(scratch, rows)
    found = scratch.run(
        f'SELECT "i", {bits_function(scratch)}({places.in_models(release.name(predict))}("x", "y"))'
        f' FROM {table} ORDER BY "i"'
    )
    answers = in_order(found, len(rows["x"]))
    expect(answers, [hexadecimal(each) for each in kernel_answers(model, rows)], "raw scores")
    return f"{len(answers)} raw scores have the kernel's bits; {len(artifact.content):,} bytes"


DEPLOYED = (
    Check(
        name="deployed-inline",
        claim="A version whose code is in the function's body gives the kernel's raw scores, bit "
        "for bit.",
        means="Deploy from the stage: `foresql deploy … --stage`.",
        attempt=partial(_version, is_inline=True),
        after=("float-bits",),
    ),
    Check(
        name="deployed-stage",
        claim="A version whose code is a file on a stage gives the kernel's raw scores, bit for "
        "bit.",
        means="Deploy small models inline: `foresql deploy … --inline`.",
        needs="CREATE STAGE on the schema",
        attempt=partial(_version, is_inline=False),
        after=("float-bits",),
    ),
)
