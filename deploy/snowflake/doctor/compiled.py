"""Checks of compiled SQL: a model's query against the kernel, and how much text Snowflake takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ....errors import AccountError
from ....ir import Column, ColumnType, Model, Outputs, Signature, Trees
from ....ir import steps as s
from ....ir.trees import LEAF
from ....kernels import Scorer
from ....models_sql import compile_query, target_of
from .bits import bits_function, given, hexadecimal, in_order
from .check import Check, Violation, expect, said

if TYPE_CHECKING:
    from .scratch import Scratch

SIZES = (100_000, 400_000, 900_000)
"""Characters of statements that are tried; the last is what `foresql compile` may write."""
_LIMITS = target_of("snowflake").limits
DEPTH, TERMS, COLUMNS = _LIMITS.depth, _LIMITS.terms, _LIMITS.columns
_LEAVES = 31
_COLUMNS = ("x", "y")
Rows = dict[str, list[float | None]]


def forest_model(trees: int, leaves: int = _LEAVES, seed: int = 6) -> Model:
    """Make a forest of two columns by hand; the same arguments give the same model."""
    random = np.random.default_rng(seed)
    nodes: list[tuple[int, float, int, int, bool, float]] = []
    roots: list[int] = []
    for _ in range(trees):
        roots.append(len(nodes))
        _grow(nodes, random, leaves)
    feature, threshold, left, right, missing, value = zip(*nodes, strict=True)
    made = Trees(
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        missing_left=np.array(missing, np.bool_),
        category_set=np.full(len(nodes), -1, np.int32),
        set_start=np.array([0], np.int64),
        set_values=np.array([], np.int32),
        value=np.array(value, np.float64),
        cover=np.ones(len(nodes)),
        root=np.array(roots, np.int32),
        output=np.zeros(trees, np.int32),
    )
    step = s.Forest(_COLUMNS, ("margin",), made, np.array([0.5]), s.Precision.FLOAT64)
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in _COLUMNS)
    return Model(Signature(columns), (step,), Outputs(("margin",)))


def _grow(
    nodes: list[tuple[int, float, int, int, bool, float]], random: np.random.Generator, leaves: int
) -> None:
    """Add a balanced tree; children stand after their parents."""
    index = len(nodes)
    if leaves == 1:
        nodes.append((LEAF, 0.0, 0, 0, False, float(random.normal())))
        return
    nodes.append((LEAF, 0.0, 0, 0, False, 0.0))
    left = len(nodes)
    _grow(nodes, random, leaves // 2)
    right = len(nodes)
    _grow(nodes, random, leaves - leaves // 2)
    column, split = int(random.integers(len(_COLUMNS))), float(random.normal())
    nodes[index] = (column, split, left, right, bool(random.integers(2)), 0.0)


def probe_rows(model: Model) -> Rows:
    """Give rows on splits, beside them, and with what is missing."""
    (step,) = model.steps
    assert isinstance(step, s.Forest)  # noqa: S101 - as it was made above
    splits = [float(each) for each in step.trees.threshold[step.trees.feature != LEAF][:8]]
    x = [*splits, *(math.nextafter(each, math.inf) for each in splits), None, math.nan, -0.0]
    y = [*reversed(splits), *(math.nextafter(each, -math.inf) for each in splits), 0.0, None, 1e300]
    return {"x": x, "y": y}


def probe_table(scratch: Scratch, rows: Rows) -> str:
    """Make a table of the rows, each with its place ``i``."""
    table = scratch.place("COMPILED")
    selects = [
        f'SELECT {index} AS "i", {_cell(scratch, x)} AS "x", {_cell(scratch, y)} AS "y"'
        for index, (x, y) in enumerate(zip(rows["x"], rows["y"], strict=True))
    ]
    united = "\nUNION ALL ".join(selects)
    scratch.run(f"CREATE OR REPLACE TABLE {table} AS\n{united}")
    return table


def _cell(scratch: Scratch, value: float | None) -> str:
    if value is None:
        return "NULL::FLOAT"
    return "'NaN'::FLOAT" if math.isnan(value) else given(scratch, value)


def kernel_answers(model: Model, rows: Rows) -> list[float]:
    """Score rows by the kernel."""
    table = pa.table({name: pa.array(column, pa.float64()) for name, column in rows.items()})
    answers = Scorer(model).score(table).prediction[:, 0]
    return [float(each) for each in answers]


def _agrees(scratch: Scratch, model: Model) -> int:
    """Hold a model's query against the kernel; gives the length of the statement."""
    rows = probe_rows(model)
    table = probe_table(scratch, rows)
    query = compile_query(model, target_of("snowflake"), table, keep=("i",), strategy="case")
    statement = (
        f'SELECT "i", {bits_function(scratch)}("prediction") FROM (\n{query.text}\n) ORDER BY "i"'
    )
    found = in_order(scratch.run(statement), len(rows["x"]))
    expect(found, [hexadecimal(each) for each in kernel_answers(model, rows)], "raw scores")
    return len(statement)


def _small(scratch: Scratch) -> str:
    _agrees(scratch, forest_model(5, 8))
    return "raw scores have the kernel's bits on splits, beside them, and for NULL and NaN"


def _sizes(scratch: Scratch) -> str:
    taken = 0
    each = _agrees(scratch, forest_model(1))
    for size in SIZES:
        try:
            taken = _agrees(scratch, forest_model(max(2, size // each)))
        except AccountError as error:
            raise Violation(
                f"a statement of {size:,} characters is refused, one of {taken:,} is taken: "
                f"{said(error)}"
            ) from error
    return f"a statement of {taken:,} characters runs, with the kernel's bits"


def _depth(scratch: Scratch) -> str:
    nested = "0"
    for index in range(DEPTH):
        nested = f"CASE WHEN x > {index} THEN {nested} ELSE {index} END"
    sums = " + ".join(["x"] * TERMS)
    found = scratch.run(f"SELECT {nested}, {sums} FROM (SELECT 0.5::FLOAT AS x)")
    expect(found, [(DEPTH - 1, 0.5 * TERMS)], "a nested CASE and a long sum")
    columns = ", ".join(f"x + {index} AS c{index}" for index in range(COLUMNS))
    last = COLUMNS - 1
    wide = scratch.value(f"SELECT c{last} FROM (SELECT {columns} FROM (SELECT 0.5::FLOAT AS x))")
    expect(wide, last + 0.5, "the last of many columns")
    return f"{DEPTH} levels of CASE, {TERMS} terms, {COLUMNS:,} columns"


def _refusal(scratch: Scratch) -> str:
    target = target_of("snowflake")
    message = "no number is 13"
    check = (target.refusal or "").format(
        condition="x > 1", message=target.message(message), value="x"
    )
    quiet = scratch.run(f"SELECT {check} FROM (SELECT 1::FLOAT AS x)")
    expect([float(value) for (value,) in quiet], [0.0], "a row that is not refused")
    try:
        found = scratch.run(f"SELECT {check} FROM (SELECT 13::FLOAT AS x)")
    except AccountError as error:
        if message not in error.problem:
            raise Violation(f"the reason is not in the account's error: {said(error)}") from error
        return "the query ends, and the account's error holds the reason"
    raise Violation(f"a refused row gives {found!r}")


_UDF = "Use the functions of `foresql deploy`, which compute in Python, instead of compiled SQL."

COMPILED = (
    Check(
        name="compiled-model",
        claim="A compiled forest gives the kernel's raw scores, bit for bit.",
        means=f"Compiled SQL is wrong in this account. {_UDF} Send us the report.",
        attempt=_small,
        after=("float-bits",),
    ),
    Check(
        name="statement-size",
        claim="Snowflake takes statements as long as `foresql compile` writes them.",
        means=f"Large forests cannot be deployed as SQL. {_UDF}",
        attempt=_sizes,
        after=("compiled-model",),
    ),
    Check(
        name="nesting",
        claim="Snowflake takes expressions as deep, sums as long and queries as wide as "
        "`foresql compile` writes them.",
        means=f"Some models cannot be deployed as SQL. {_UDF}",
        attempt=_depth,
    ),
    Check(
        name="refused-rows",
        claim="A row that a model refuses ends the query with the reason, and no other row does.",
        means=f"Compiled SQL may end queries without a reason, or score refused rows. {_UDF}",
        attempt=_refusal,
    ),
)
