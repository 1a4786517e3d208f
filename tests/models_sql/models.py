"""Small models made by hand, so that golden SQL does not change with a library's release."""

import numpy as np
import pyarrow as pa

from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.trees import LEAF
from foresql.models_sql.expressions import chain, fill, ref
from foresql.models_sql.forests import CaseStrategy
from foresql.models_sql.forests.case import CaseTrees


def a_forest() -> Trees:
    """Make two trees: one with missing values to the left, one that splits by a set."""
    nodes = [
        # feature, threshold, left, right, missing_left, set, value
        (0, 1.5, 1, 2, True, -1, 0.0),
        (LEAF, 0.0, 0, 0, False, -1, 0.1),
        (0, 2.5e-300, 3, 4, False, -1, 0.0),
        (LEAF, 0.0, 0, 0, False, -1, -0.25),
        (LEAF, 0.0, 0, 0, False, -1, 1e300),
        (1, 0.0, 6, 7, False, 0, 0.0),
        (LEAF, 0.0, 0, 0, False, -1, 1 / 3),
        (LEAF, 0.0, 0, 0, False, -1, -2.0),
    ]
    feature, threshold, left, right, missing_left, sets, value = zip(*nodes, strict=True)
    return Trees(
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        missing_left=np.array(missing_left, np.bool_),
        category_set=np.array(sets, np.int32),
        set_start=np.array([0, 4], np.int64),
        set_values=np.array([0, 1, 2, 7], np.int32),
        value=np.array(value, np.float64),
        cover=np.ones(len(nodes)),
        root=np.array([0, 5], np.int32),
        output=np.zeros(2, np.int32),
    )


def forest() -> Model:
    """Make a classifier of a number and a text."""
    return Model(
        Signature((Column("distance", ColumnType.DOUBLE), Column("carrier", ColumnType.VARCHAR))),
        (
            s.Lookup(
                ("carrier",), ("carrier|code",), "LightGBM", ("UA", "O'Hare", "ü\\"),
                np.array([0.0, 1.0, 7.0]), float("nan"), -1.0,
            ),
            s.Forest(
                ("distance", "carrier|code"), ("margin",), a_forest(), np.array([0.5]),
                s.Precision.FLOAT64,
            ),
            s.Elementwise(("margin",), ("positive",), s.Function.SIGMOID),
            s.Arithmetic(
                ("positive",), ("negative",), s.Operator.SUBTRACT_FROM, np.array([1.0])
            ),
            s.Exceeds(("positive",), ("label",), 0.5),
        ),
        Outputs(("label",), ("on time", "late"), ("negative", "positive"), ("margin",)),
    )  # fmt: skip


def pipeline() -> Model:
    """Make a linear model of numbers that are filled and checked."""
    return Model(
        Signature((Column("a b", ColumnType.DOUBLE), Column("n", ColumnType.BIGINT))),
        (
            s.Require(("a b",), "SimpleImputer", missing=False, infinite=True),
            s.Impute(("a b",), ("a b|filled",), (0.5,)),
            s.Arithmetic(
                ("a b|filled",), ("a b|scaled",), s.Operator.DIVIDE, np.array([3.0])
            ),
            s.Require(("a b|scaled", "n"), "Ridge", missing=True, infinite=True),
            s.Dot(
                ("a b|scaled", "n"), ("sum",), np.array([[0.1], [-2.0]]), np.array([1e-5])
            ),
        ),
        Outputs(("sum",)),
    )  # fmt: skip


MODELS = {"forest": forest, "pipeline": pipeline}


class Leaves(CaseStrategy):
    """Keeps the leaves in a table, and finds them by a subquery."""

    name = "leaves"

    def emit(self, step, builder):
        values = step.trees.value
        table = pa.table({"node": np.arange(len(values)), "value": values})
        name = builder.add_table("leaves", table)
        trees = CaseTrees(step, builder, lambda node: builder.literal(float(node)))
        terms = [builder.literal(float(step.start[0]))]
        for index in range(len(step.trees.root)):
            leaf = builder.define(trees.tree(index), null=False, nan=False, whole=True)
            quoted = builder.target.quoted
            found = fill(
                f"(SELECT max(m.{quoted('value')}) FROM {{}} AS m WHERE m.{quoted('node')} = {{}})",
                name,
                ref(leaf.name),
            )
            terms.append(ref(builder.define(found, null=False, nan=False).name))
        builder.put(step.outputs[0], builder.define(chain("+", terms), null=False, nan=False))
