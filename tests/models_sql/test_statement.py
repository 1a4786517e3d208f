"""Forms, names, limits and refusals."""

import dataclasses
import importlib.util
import math
import random
import re
import sqlite3
import struct
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from foresql import UnsupportedModelError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.trees import LEAF
from foresql.kernels.float32 import exp as kernel_exp
from foresql.kernels.float32 import sigmoid as kernel_sigmoid
from foresql.models_sql import (
    Header,
    Statement,
    compile_query,
    steps,
    target_of,
    targets,
    write_statement,
)
from foresql.models_sql.float32_exp import exp_float32
from foresql.models_sql.forests import CaseStrategy
from foresql.models_sql.forests.case import least_bytes
from foresql.models_sql.links import boundary_of, float32_sigmoid, sigmoid, trace
from foresql.models_sql.steps import NO_SQL

_SPEC = importlib.util.spec_from_file_location("made", Path(__file__).parent / "models.py")
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)
HEADER = Header(model="m:1", digest="0" * 64)


def statement(form, **options):
    source = None if form in {"macro", "function"} else "t"
    return Statement(form=form, name="scored", source=source, **options)


def test_the_same_model_gives_the_same_text():
    first, second = (
        write_statement(made.forest(), target_of("duckdb"), statement("select"), HEADER)
        for _ in range(2)
    )
    assert first == second


def test_a_macro_scores_any_table():
    connection = duckdb.connect()
    connection.execute(
        write_statement(
            made.forest(), target_of("duckdb"), statement("macro", keep=("id",)), HEADER
        )
    )
    connection.register(
        "flights", pa.table({"id": [1, 2], "distance": [1.0, None], "carrier": ["UA", None]})
    )
    found = connection.sql("SELECT id, margin FROM scored('flights') ORDER BY id").fetchall()
    assert found == [(1, 0.5 + 0.1 + 1 / 3), (2, 0.5 + 0.1 - 2.0)]


@pytest.fixture
def with_function():
    """Give a connection with the forest as a function of one row."""
    connection = duckdb.connect()
    connection.execute(
        write_statement(made.forest(), target_of("duckdb"), statement("function"), HEADER)
    )
    connection.register(
        "flights", pa.table({"id": [1, 2], "distance": [1.0, None], "carrier": ["UA", None]})
    )
    return connection


@pytest.mark.parametrize(
    "query",
    [
        "SELECT scored(flights).margin FROM flights ORDER BY id",
        "SELECT scored(t).margin FROM flights AS t ORDER BY t.id",
        "SELECT scored({distance: distance, carrier: carrier}).margin FROM flights ORDER BY id",
        "SELECT answer.margin FROM (SELECT id, scored(f) AS answer FROM flights f) ORDER BY id",
        # Names of a caller that the macro has inside too.
        "SELECT scored(given).margin FROM flights AS given ORDER BY id",
        "SELECT scored(answers).margin FROM flights AS answers ORDER BY id",
        "SELECT scored(s0).margin FROM flights AS s0 ORDER BY id",
        "SELECT scored(row).margin FROM flights AS row ORDER BY id",
        (
            "SELECT scored({distance: c0, carrier: c1}).margin "
            "FROM (SELECT id, distance AS c0, carrier AS c1 FROM flights) ORDER BY id"
        ),
        (
            "SELECT scored({distance: carrier, carrier: distance}).margin "
            "FROM (SELECT id, distance AS carrier, carrier AS distance FROM flights) ORDER BY id"
        ),
    ],
)
def test_a_function_of_duckdb_takes_a_row(with_function, query):
    found = [row[0] for row in with_function.sql(query).fetchall()]
    assert found == [0.5 + 0.1 + 1 / 3, 0.5 + 0.1 - 2.0]


def test_a_function_of_duckdb_stands_wherever_an_expression_does(with_function):
    query = "SELECT id FROM flights f WHERE scored(f).prediction = 'late' AND scored(f).margin > 0"
    assert with_function.sql(query).fetchall() == [(1,)]
    query = "SELECT round(sum(scored(f).margin), 6), count(*) FROM flights f GROUP BY f.id % 1"
    assert with_function.sql(query).fetchall() == [(-0.466667, 2)]
    with pytest.raises(duckdb.BinderException, match='Could not find key "carrier"'):
        with_function.sql("SELECT scored({distance: 1}).margin")


def test_a_function_of_duckdb_plans_no_join(with_function):
    plan = with_function.sql("EXPLAIN SELECT scored(f).margin FROM flights f").fetchall()[0][1]
    assert "JOIN" not in plan


def test_a_function_of_duckdb_may_have_a_column_named_row():
    model = made.forest()
    signature = Signature((Column("Row", ColumnType.DOUBLE), model.signature.columns[1]))
    forest = replace(model.steps[1], inputs=("Row", "carrier|code"))
    steps = (model.steps[0], forest, *model.steps[2:])
    connection = duckdb.connect()
    model = Model(signature, steps, model.outputs)
    connection.execute(write_statement(model, target_of("duckdb"), statement("function"), HEADER))
    query = "SELECT scored(f).margin FROM (SELECT 1.0 AS \"Row\", 'UA' AS carrier) AS f"
    assert connection.sql(query).fetchall() == [(0.5 + 0.1 + 1 / 3,)]


def test_a_view_keeps_what_the_model_reads_by_default():
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (distance DOUBLE, carrier VARCHAR, other INT)")
    connection.execute(
        write_statement(made.forest(), target_of("duckdb"), statement("view"), HEADER)
    )
    columns = [each[0] for each in connection.execute("DESCRIBE scored").fetchall()]
    assert columns == ["distance", "carrier", "prediction", "probability", "margin"]


@pytest.mark.parametrize("name", ["VARCHAR", "VARCHAR COLLATE NOCASE", "ENUM ('UA', 'ua')"])
def test_a_text_column_of_any_kind_is_compared_letter_by_letter(name):
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t (distance DOUBLE, carrier {name})")
    connection.execute("INSERT INTO t VALUES (1, 'UA'), (1, 'ua')")
    query = compile_query(made.forest(), target_of("duckdb"), "t").text
    margins = sorted(row[2] for row in connection.sql(query).fetchall())
    assert margins == [0.5 + 0.1 - 2.0, 0.5 + 0.1 + 1 / 3]


def test_a_column_of_another_type_is_no_text():
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (distance DOUBLE, carrier INTEGER)")
    query = compile_query(made.forest(), target_of("duckdb"), "t").text
    with pytest.raises(duckdb.BinderException, match="replace"):
        connection.sql(query)


def test_a_refused_row_ends_the_query_with_the_reason():
    query = compile_query(made.pipeline(), target_of("duckdb"), "t").text
    connection = duckdb.connect()
    connection.execute('CREATE TABLE t AS SELECT 1.0::DOUBLE AS "a b", NULL::BIGINT AS n')
    with pytest.raises(duckdb.Error, match="column 'n' is NULL in a row, and Ridge accepts no"):
        connection.sql(query).fetchall()


def test_names_are_folded_on_request():
    query = compile_query(made.forest(), target_of("snowflake"), "t", fold_case=True).text
    assert '"DISTANCE"' in query
    assert '"distance"' not in query


def test_an_answer_has_a_name_of_its_own():
    with pytest.raises(UnsupportedModelError, match="twice"):
        compile_query(made.forest(), target_of("duckdb"), "t", keep=("Margin",))


@pytest.mark.parametrize(("form", "target"), [("macro", "sqlite"), ("function", "bigquery")])
def test_a_form_that_is_not_there_is_refused(form, target):
    with pytest.raises(UnsupportedModelError, match="none that keeps"):
        write_statement(made.forest(), target_of(target), statement(form), HEADER)


def test_a_function_whose_text_would_end_early_is_refused():
    model = made.forest()
    outputs = Outputs(("label",), ("$foresql$", "late"))
    model = Model(model.signature, model.steps, outputs)
    with pytest.raises(UnsupportedModelError, match="two dollar signs"):
        write_statement(model, target_of("postgres"), statement("function"), HEADER)


def test_unknown_target_and_strategy_are_named():
    with pytest.raises(UnsupportedModelError, match="use one of bigquery, clickhouse"):
        target_of("oracle")
    with pytest.raises(UnsupportedModelError, match="use one of auto, case"):
        compile_query(made.forest(), target_of("duckdb"), "t", strategy="magic")


def test_a_forest_beyond_the_statement_is_refused():
    trees = made.a_forest()
    step = s.Forest(("x", "x"), ("y",), trees, np.zeros(1), s.Precision.FLOAT64)
    many = trees.__class__(
        **{
            name: np.tile(getattr(trees, name), 20_000)
            for name in ("feature", "threshold", "missing_left", "category_set", "value", "cover")
        },
        left=shifted(trees.left, trees),
        right=shifted(trees.right, trees),
        set_start=trees.set_start,
        set_values=trees.set_values,
        root=np.concatenate([trees.root + 8 * i for i in range(20_000)]).astype(np.int32),
        output=np.zeros(40_000, np.int32),
    )
    signature = Signature((Column("x", ColumnType.DOUBLE), Column("k", ColumnType.DOUBLE)))
    step = s.Forest(("x", "k"), ("y",), many, np.zeros(1), s.Precision.FLOAT64)
    model = Model(signature, (step,), Outputs(("y",)))
    with pytest.raises(UnsupportedModelError, match="160,000 nodes make a statement beyond"):
        compile_query(model, target_of("snowflake"), "t")


def shifted(children, trees):
    blocks = [np.where(trees.feature >= 0, children + 8 * i, 0) for i in range(20_000)]
    return np.concatenate(blocks).astype(np.int32)


def test_roundings_that_are_never_planned_are_refused():
    model = made.forest()
    forest = next(step for step in model.steps if isinstance(step, s.Forest))
    leaves = forest.trees.value.clip(-9, 9).astype(np.float32).astype(float)
    trees = dataclasses.replace(forest.trees, value=leaves)
    step = dataclasses.replace(forest, trees=trees, precision=s.Precision.FLOAT32)
    steps = tuple(step if each is forest else each for each in model.steps)
    model = dataclasses.replace(model, steps=steps)
    target = target_of("datafusion")
    assert compile_query(model, target, "t", strategy="case").text
    limits = dataclasses.replace(target.limits, roundings=1)
    with pytest.raises(UnsupportedModelError, match="2 times in a row, and DataFusion"):
        compile_query(model, dataclasses.replace(target, limits=limits), "t", strategy="case")


def test_no_column_of_the_statement_has_a_name_of_the_table():
    column = Column("C2", ColumnType.DOUBLE)
    dot = s.Dot(("C2",), ("y",), np.array([[2.0]]), np.array([1.0]))
    model = Model(Signature((column,)), (dot,), Outputs(("y",)))
    query = compile_query(model, target_of("clickhouse"), '"s1"', keep=("c1",)).text
    assert '"C2" AS Nullable(Float64)) AS cc1' in query
    assert "ss0 AS (" in query


def test_a_deep_tree_is_cut_into_columns():
    depth = 60
    nodes = 2 * depth + 1
    feature = np.full(nodes, -1, np.int32)
    left, right = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    threshold, value = np.zeros(nodes), np.arange(nodes) / 7
    for level in range(depth):
        node = 2 * level
        feature[node], threshold[node] = 0, float(depth - level)
        left[node], right[node] = node + 2, node + 1
    trees = type(made.a_forest())(
        feature=feature, threshold=threshold, left=left, right=right,
        missing_left=np.zeros(nodes, np.bool_), category_set=np.full(nodes, -1, np.int32),
        set_start=np.zeros(1, np.int64), set_values=np.zeros(0, np.int32), value=value,
        cover=np.ones(nodes), root=np.zeros(1, np.int32), output=np.zeros(1, np.int32),
    )  # fmt: skip
    step = s.Forest(("x",), ("y",), trees, np.zeros(1), s.Precision.FLOAT64)
    model = Model(Signature((Column("x", ColumnType.DOUBLE),)), (step,), Outputs(("y",)))
    for name in ("tsql", "sqlite", "datafusion"):
        assert (
            deepest(compile_query(model, target_of(name), "t").text) <= target_of(name).limits.cases
        )
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x REAL)")
    connection.executemany("INSERT INTO t VALUES (?)", [(i / 2,) for i in range(2 * depth + 4)])
    found = connection.execute(
        compile_query(model, target_of("sqlite"), "t", keep=("x",)).text
    ).fetchall()
    for x, y in found:
        level = next((k for k in range(depth) if x > depth - k), depth)
        assert y == value[2 * level + 1 if level < depth else 2 * depth], x


def deepest(query):
    level = most = 0
    for word in query.replace("(", " ").replace(")", " ").split():
        level += (word == "CASE") - (word == "END")
        most = max(most, level)
    return most


def test_every_step_without_sql_says_why():
    assert all(reason for reason in NO_SQL.values())


@pytest.mark.parametrize("name", sorted(targets()))
def test_literals_read_back_to_the_same_bits(name):
    rng = random.Random(1)  # noqa: S311 - no secret
    for _ in range(300):
        value = struct.unpack("d", struct.pack("Q", rng.getrandbits(64)))[0]
        if math.isfinite(value) and target_of(name).literal(value):
            assert eval_literal(target_of(name).literal(value)) == value


def eval_literal(literal):
    """Read a literal as its engine does; what is no single number is a quotient of whole ones."""
    plain = re.sub(r"::\w+|[()'D]", "", literal)
    sign, first, rest = re.fullmatch(r"(-?)([^*/]+)(.*)", plain).groups()
    value = float(first)
    for operator, whole in re.findall(r"([*/])([^*/]+)", rest):
        assert float(first).is_integer()
        assert float(whole).is_integer()
        value = value * float(whole) if operator == "*" else value / float(whole)
    return -value if sign else value


def test_float32_functions_are_the_kernels():
    xs = np.concatenate([np.linspace(-160, 160, 5001), np.random.default_rng(0).normal(size=5000)])
    xs = xs.astype(np.float32).astype(np.float64)
    with np.errstate(over="ignore"):
        assert [exp_float32(x) for x in xs] == kernel_exp(xs).tolist()
        assert [float32_sigmoid(x) for x in xs] == kernel_sigmoid(xs).tolist()


def test_a_boundary_before_a_link_is_where_the_link_turns():
    for threshold in (0.5, 0.1, 0.9999, 1e-300):
        boundary = boundary_of(lambda x, t=threshold: sigmoid(x) > t)
        assert not sigmoid(boundary.limit) > threshold
        assert sigmoid(float(np.nextafter(boundary.limit, np.inf))) > threshold
    falling = boundary_of(lambda x: 1 - sigmoid(x) > 0.25)
    assert falling.holds_below
    assert 1 - sigmoid(falling.limit) > 0.25
    assert boundary_of(lambda x: sigmoid(x) > 1) is None
    assert boundary_of(lambda x: math.sin(x if math.isfinite(x) else 1) > 2) is None


def test_a_link_is_traced_through_arithmetic():
    model = made.forest()
    producers = {name: step for step in model.steps for name in s.outputs_of(step)}
    traced = trace("negative", producers)
    assert traced.base == "margin"
    assert traced.has_link
    assert traced.function(0.0) == 0.5


def test_labels_that_differ_in_case_only_are_numbered():
    model = made.forest()
    margins = ("negative", "positive", "margin")
    outputs = Outputs(("label",), ("late", "Late", "LATE"), margins)
    statement_of = statement("select", keep=())
    model = Model(model.signature, model.steps, outputs)
    text = write_statement(model, target_of("duckdb"), statement_of, HEADER)
    assert "-- Probabilities are numbered by class: 'late', 'Late', 'LATE'." in text
    assert 'AS "probability_2"' in text
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT 1.0 AS distance, 'UA' AS carrier")
    names = [each[0] for each in connection.sql(text).description]
    assert names == ["prediction", "probability_0", "probability_1", "probability_2"]


@pytest.mark.parametrize("kind", ["VARCHAR", "BOOLEAN", "DATE", "ENUM ('1')", "JSON"])
def test_duckdb_refuses_what_is_no_number(kind):
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t (distance {kind}, carrier VARCHAR)")
    with pytest.raises(duckdb.BinderException, match=r"'\+\(|No function matches"):
        connection.sql(compile_query(made.forest(), target_of("duckdb"), "t").text)


@pytest.mark.parametrize("kind", ["UTINYINT", "HUGEINT", "DECIMAL(38, 10)", "FLOAT"])
def test_duckdb_takes_numbers_of_all_kinds(kind):
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t (distance {kind}, carrier VARCHAR)")
    connection.execute("INSERT INTO t VALUES (1, 'UA')")
    query = compile_query(made.forest(), target_of("duckdb"), "t").text
    assert connection.sql(query).fetchall()[0][2] == 0.5 + 0.1 + 1 / 3


def test_a_step_without_sql_is_refused_before_a_forest_is_written(monkeypatch):
    model = made.forest()
    monkeypatch.setattr(steps, "NO_SQL", {s.Exceeds: "it is the last step"})
    monkeypatch.setattr(CaseStrategy, "emit", lambda *_: pytest.fail("a forest was written"))
    with pytest.raises(UnsupportedModelError, match="Exceeds in SQL for DuckDB: it is the last"):
        compile_query(model, target_of("duckdb"), "t")


@pytest.mark.parametrize("name", ["snowflake", "bigquery", "clickhouse", "sqlite", "duckdb"])
def test_a_refusal_comes_before_the_text(name, monkeypatch):
    limit = 1_000_000
    monkeypatch.setattr(CaseStrategy, "emit", lambda *_: pytest.fail("a forest was written"))
    target = replace(target_of(name), limits=replace(target_of(name).limits, bytes=limit))
    rng = np.random.default_rng(0)
    depth, trees = 6, 400
    model = a_symmetric_model(rng, depth, trees)
    with pytest.raises(UnsupportedModelError, match=r"(?s)Forest in SQL.*What to do: use the UDF:"):
        compile_query(model, target, "t", strategy="case")


def a_symmetric_model(rng, depth, count):
    """Make trees whose nodes all split one column, like CatBoost's."""
    inner, nodes = 2**depth - 1, 2 ** (depth + 1) - 1
    feature = np.where(np.arange(nodes) < inner, 0, LEAF)
    left = np.where(feature == 0, 2 * np.arange(nodes) + 1, 0)
    offsets = np.repeat(np.arange(count) * nodes, nodes)
    is_split = np.tile(feature == 0, count)
    trees = type(made.a_forest())(
        feature=np.tile(feature, count).astype(np.int32),
        threshold=np.where(is_split, rng.normal(size=count * nodes), 0.0),
        left=np.where(is_split, np.tile(left, count) + offsets, 0).astype(np.int32),
        right=np.where(is_split, np.tile(left + 1, count) + offsets, 0).astype(np.int32),
        missing_left=np.zeros(count * nodes, np.bool_),
        category_set=np.full(count * nodes, -1, np.int32),
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=np.where(is_split, 0.0, rng.normal(size=count * nodes)),
        cover=np.ones(count * nodes),
        root=(np.arange(count) * nodes).astype(np.int32),
        output=np.zeros(count, np.int32),
    )
    step = s.Forest(("x",), ("y",), trees, np.zeros(1), s.Precision.FLOAT64)
    return Model(Signature((Column("x", ColumnType.DOUBLE),)), (step,), Outputs(("y",)))


def test_the_least_length_is_no_more_than_the_length():
    for name, target in targets().items():
        model = a_symmetric_model(np.random.default_rng(1), 5, 20)
        trees = model.steps[0].trees
        roomy = replace(target, limits=replace(target.limits, bytes=10**9))
        length = len(compile_query(model, roomy, "t").text.encode())
        assert 0.6 * length < least_bytes(trees, target) < length, name
