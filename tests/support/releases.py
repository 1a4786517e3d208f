"""Versions of small models made by hand, as a registry would open them, with golden rows."""

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np

from foresql.certify.golden import Golden
from foresql.certify.probes import table_of
from foresql.certify.routes import kernel
from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle
from foresql.ir.trees import LEAF
from foresql.scoring.models import OpenModel
from foresql.udfs.snowflake.artifact import Artifact

_SPEC = importlib.util.spec_from_file_location(
    "made", Path(__file__).parents[1] / "models_sql" / "models.py"
)
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

CERTIFICATE = {
    "reference": "library",
    "rows": 12_345,
    "routes": ["kernel", "duckdb"],
    "largest_difference": 2.5e-16,
}
FLIGHTS = [
    (1.5, "UA"),
    (-0.0, "O'Hare"),
    (float("inf"), 'ü\\"'),
    (None, None),
    (40.5, "$$; DROP SCHEMA x --\n"),
]
"""Rows at the splits of the classifier, and texts that would end a statement."""


def opened(model, version=1, name="delay", rows=(), digest=None):
    """Open a version whose golden rows the kernel answers."""
    card = {"name": name, "certificate": CERTIFICATE}
    if rows:
        table = table_of(model, [list(column) for column in zip(*rows, strict=True)])
        card["golden"] = Golden.of(table, kernel(model, None)(table)).to_json()
    digest = digest or hashlib.sha256(f"{name}:{version}".encode()).hexdigest()
    return OpenModel(name, version, Bundle(model, card, digest=digest), Path(f"{name}.foresql"))


def flights(version=1, name="delay"):
    """Open a classifier of a number and a text."""
    return opened(classifier(), version, name, FLIGHTS)


def classifier():
    """Make the classifier of ``tests/models_sql`` with thresholds and leaves of few digits."""
    model = made.forest()
    forest = next(step for step in model.steps if isinstance(step, s.Forest))
    value = np.array([0.0, 0.125, 0.0, -0.25, 0.75, 0.0, 0.375, -2.0])
    threshold = np.array([1.5, 0.0, 40.25, 0.0, 0.0, 0.0, 0.0, 0.0])
    trees = replace(forest.trees, value=value, threshold=threshold)
    steps = tuple(replace(step, trees=trees) if step is forest else step for step in model.steps)
    return replace(model, steps=steps)


def stump(columns, low=-1.0, high=2.0, threshold=1.5, kinds=None):
    """Make a regression tree of one split, at the first of any number of columns."""
    trees = Trees(
        feature=np.array([0, LEAF, LEAF], np.int32),
        threshold=np.array([threshold, 0.0, 0.0]),
        left=np.array([1, 0, 0], np.int32),
        right=np.array([2, 0, 0], np.int32),
        missing_left=np.array([True, False, False]),
        category_set=np.full(3, -1, np.int32),
        set_start=np.array([0], np.int64),
        set_values=np.array([], np.int32),
        value=np.array([0.0, low, high]),
        cover=np.array([2.0, 1.0, 1.0]),
        root=np.array([0], np.int32),
        output=np.zeros(1, np.int32),
    )
    forest = s.Forest((columns[0],), ("margin",), trees, np.array([0.0]), s.Precision.FLOAT64)
    kinds = kinds or [ColumnType.DOUBLE] * len(columns)
    signature = Signature(tuple(map(Column, columns, kinds)))
    return Model(signature, (forest,), Outputs(("margin",), margins=("margin",)))


def artifact_of(release, code="def predict(frame): ...\n", inline=None):
    """Make an artifact whose bytes no change of the handler moves."""
    content = code.encode()
    digest = hashlib.sha256(content).hexdigest()
    module = f"foresql_{release.name}_v{release.version}_{digest[:8]}"
    return Artifact(module, content, digest, inline, f"{release.name}/v{release.version}")
