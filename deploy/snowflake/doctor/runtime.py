"""Checks of Snowflake's Python: what a handler is handed, where it runs, and what it gives back."""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import AccountError
from ....udfs.snowflake.artifact import MOST_INLINE, PACKAGES, RUNTIME
from ....udfs.snowflake.names import literal
from .bits import hexadecimal, in_order, number, numbered, ulps
from .check import Check, Violation, expect
from .scratch import HANDLER

if TYPE_CHECKING:
    from .scratch import Scratch

_MODULE = "foresql_probe"
ROWS = 20_000
_PROBES = (0.0, 1.0, -1.0, 0.5, 1e-10, -1e-17, 2.302585092994046, -36.7, 36.7, 700.1, -11.25)


def _environment(scratch: Scratch) -> str:
    """Make the first function: as a version's are made, or else with whatever is there."""
    try:
        found = _call_environment(scratch)
    except AccountError as error:
        if error.lost:
            raise
        scratch.repository, scratch.packages = None, ("numpy", "pandas")
        found = _call_environment(scratch)
    if not found["python"].startswith(f"{RUNTIME}."):
        raise Violation(f"Python {found['python']}, where {RUNTIME} is asked for")
    return (
        f"Python {found['python']}, numpy {found['numpy']}, pandas {found['pandas']}, "
        f"{found['cores']} cores of {found['machine']}"
    )


def _call_environment(scratch: Scratch) -> dict[str, Any]:
    function = scratch.python("environment", "x FLOAT", "VARCHAR")
    return json.loads(scratch.value(f"SELECT {function}(1)"))


def _pinned(scratch: Scratch) -> str:
    if scratch.repository is None:
        raise Violation("functions were made with packages of Snowflake's own channel instead")
    return f"{', '.join(PACKAGES)} of {scratch.repository}"


def probe_archive() -> bytes:
    """Pack the probe handler as a module in an archive, as a model's artifact is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{_MODULE}.py", (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, HANDLER.read_text("utf-8"))
    return content.getvalue()


def staged_function(scratch: Scratch, name: str, entry: str, arguments: str, returns: str) -> str:
    """Make a function whose code is on a stage of the schema."""
    stage = scratch.place("FILES")
    scratch.run(f"CREATE STAGE IF NOT EXISTS {stage}")
    path = f"@{stage}/probe/{_MODULE}.zip"
    scratch.session.upload(probe_archive(), path)
    place = scratch.place(name)
    scratch.run(
        scratch.python_function(place, f"{_MODULE}.{entry}", arguments, returns, None, imports=path)
    )
    return place


def _stage_import(scratch: Scratch) -> str:
    function = staged_function(scratch, "IMPORTED", "imported", "x FLOAT", "VARCHAR")
    known, names, file = json.loads(scratch.value(f"SELECT {function}(1)"))
    if not known or f"{_MODULE}.zip" not in names:
        raise Violation(f"the import directory is {'there' if known else 'unknown'}: {names}")
    return f"imported from {file}"


def _body_size(scratch: Scratch) -> str:
    body = HANDLER.read_text("utf-8")
    body += f'\nPADDING = "{"A" * (MOST_INLINE - len(body) - 20)}"\n'
    place = scratch.place("LARGE")
    scratch.run(scratch.python_function(place, "scaled", "x FLOAT", "FLOAT", body))
    expect(scratch.value(f"SELECT {place}(4)"), 8.0, "a function with a large body")
    return f"a body of {len(body):,} characters"


def _batches(scratch: Scratch) -> str:
    function = scratch.python("batch", "x FLOAT", "VARCHAR")
    source = f"SELECT SEQ4()::FLOAT AS x FROM TABLE(GENERATOR(ROWCOUNT => {ROWS}))"
    rows = scratch.run(
        f"SELECT b, COUNT(*) FROM (SELECT {function}(x) AS b FROM ({source})) GROUP BY b"
    )
    expect(sum(count for _, count in rows), ROWS, "rows in batches")
    answers = [json.loads(text) for text, _ in rows]
    sizes = [size for size, _, _ in answers]
    scaled = scratch.python("scaled", "x FLOAT", "FLOAT")
    wrong = scratch.value(f"SELECT COUNT_IF({scaled}(x) <> x * 2) FROM ({source})")
    expect(wrong, 0, "answers beside the wrong rows")
    processes = {process for _, process, _ in answers}
    threads = {(process, thread) for _, process, thread in answers}
    return (
        f"{min(sizes)} to {max(sizes)} rows a batch; processes: {len(processes)}, "
        f"threads: {len(threads)}"
    )


def _init_once(scratch: Scratch) -> str:
    function = scratch.python("starting", "x FLOAT", "VARCHAR")
    started, imported, now = json.loads(scratch.value(f"SELECT {function}(1)"))
    if not started:
        raise Violation("the function marked by udf_init_once did not run")
    forked = "before workers fork" if now not in started else "in the process that scores"
    return f"runs {forked}; the module is imported {'there' if imported in started else 'later'}"


def _functions(scratch: Scratch) -> str:
    function = scratch.python("functions", "name VARCHAR, b VARCHAR", "VARCHAR")
    asked = [
        (name, value)
        for name in ("exp", "expm1", "log", "log1p", "numpy.exp")
        for value in _PROBES
        if not name.startswith("log") or value > 0
    ]
    calls = [f"{function}({literal(n)}, {literal(hexadecimal(v))})" for n, v in asked]
    rows = scratch.run(f"SELECT i, x FROM (\n{numbered(calls)}\n) ORDER BY i")
    off = {
        f"{name}({value!r})": ulps(number(bits), _here(name, value))
        for (name, value), bits in zip(asked, in_order(rows, len(asked)), strict=True)
    }
    worst = max(off, key=lambda call: off[call])
    if off[worst] > 1:
        raise Violation(f"{worst} is {off[worst]} ulp off what it is here")
    same = sum(not each for each in off.values())
    return f"{same} of {len(off)} have the bits that they have here, the others are 1 ulp off"


def _here(name: str, value: float) -> float:
    return float(np.exp(value)) if name == "numpy.exp" else getattr(math, name)(value)


_PYTHON = ("python-function",)

RUNTIME_CHECKS = (
    Check(
        name="python-function",
        claim=f"A vectorised secure function of Python {RUNTIME} with numpy and pandas can be made "
        "and called.",
        means="No model can be deployed as a function. An organisation's administrator accepts the "
        "terms for packages of Anaconda once (Admin, Terms), and the role needs CREATE FUNCTION. "
        "Compiled SQL needs neither: `foresql compile --to snowflake`.",
        needs="CREATE FUNCTION on the schema, and a warehouse",
        attempt=_environment,
    ),
    Check(
        name="packages",
        claim=f"The handler's releases are there: {', '.join(PACKAGES)}.",
        means="`foresql deploy` makes functions with these releases alone, so it fails here. An "
        "administrator grants SNOWFLAKE.PYPI_REPOSITORY_USER, as `foresql setup` does, "
        "or lets the packages policy allow them.",
        attempt=_pinned,
        after=_PYTHON,
    ),
    Check(
        name="stage-import",
        claim="An archive on a stage is imported, and lies in the import directory.",
        means="Bundles over the inline limit cannot be deployed. Small ones can: `--inline`.",
        needs="CREATE STAGE on the schema",
        attempt=_stage_import,
        after=_PYTHON,
    ),
    Check(
        name="body-size",
        claim=f"A function's body may have {MOST_INLINE:,} characters.",
        means="Models that are nearly as large as that are deployed from the stage: `--stage`.",
        attempt=_body_size,
        after=_PYTHON,
    ),
    Check(
        name="batches",
        claim="Rows come in batches of any size, and answers return to their rows.",
        means="Nothing that foresql promises holds in this account. Send us the report.",
        attempt=_batches,
        after=_PYTHON,
    ),
    Check(
        name="init-once",
        claim="A function marked by udf_init_once runs before the first row.",
        means="Each worker loads the model at its first row: queries start later, and their "
        "answers are the same.",
        attempt=_init_once,
        after=_PYTHON,
    ),
    Check(
        name="last-bits",
        claim="Python's exp, expm1, log and log1p, and numpy's exp, are within 1 ulp of what they "
        "are here.",
        means="Probabilities may differ from the library's in more than the last bit. Raw scores "
        "and labels do not. Golden rows are compared when a version is deployed.",
        attempt=_functions,
        after=_PYTHON,
    ),
)
