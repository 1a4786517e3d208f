"""Models with tables of their own: what is written is there again, to the bit, in each engine."""

import os
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestRegressor

import foresql
from foresql import ForesqlError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle
from foresql.kernels import Scorer
from foresql.models_sql import (
    Header,
    Statement,
    compile_query,
    target_of,
    targets,
    with_rows,
    write_script,
)
from foresql.models_sql.model_tables import ModelTable, table_name
from foresql.models_sql.script import Script, table_statements
from foresql.models_sql.statement import LOADED_AT_ONCE

HEADER = Header(model="delay:3", digest="0" * 64)
FLIGHTS = pa.table(
    {"id": [1, 2, 3], "distance": [1.0, None, 7e9], "carrier": ["UA", None, "O'Hare"]}
)
ODD = ["O'Hare", 'a "b"', "back\\slash", "a,b", "", "\\N", "{x}", "ü", None]
NUMBERS = [0.1, -1 / 3, 1e300, 2.2250738585072014e-308, -0.0, 0.0, 2.0**53 + 2, 123.456, None]


pytestmark = pytest.mark.usefixtures("leaves")


@pytest.fixture
def bundle(made):
    return Bundle(made.forest(), {"name": "delay"})


@pytest.fixture
def keeper(engine):
    """An engine that keeps tables; Spark takes half a minute, and is asked with the whole grid."""
    if engine.name == "spark" and os.environ.get("FORESQL_SQL_GRID") != "all":
        pytest.skip("FORESQL_SQL_GRID=all asks Spark too")
    return engine


def script_of(made, target, **options):
    given = {"form": "tables", "name": "scored", "source": "probes", "strategy": "leaves"}
    statement = Statement(**given | {"keep": ("id",), "tables_prefix": "scored_v3"} | options)
    return write_script(made.forest(), target_of(target), statement, HEADER)


def odd_table():
    """Make a table of values that are hard to write."""
    columns = {"i": [*range(8), None], "x": NUMBERS, "s": ODD}
    return ModelTable("odd_table_0123456789", pa.table(columns))


def execute(engine, statements, folder):
    """Run statements in the engine, in a folder."""
    target = target_of(engine.name)
    before = Path.cwd()
    os.chdir(folder)
    try:
        match engine.name:
            case "duckdb":
                engine.connection.execute(target.storage.end.join(statements))
            case "sqlite":
                engine.connection.executescript(target.storage.end.join(statements))
            case "postgres":
                end = [("\n" if s.startswith("\\") else target.storage.end) for s in statements]
                engine.execute("".join(s + e for s, e in zip(statements, end, strict=True)))
            case "clickhouse":
                for statement in statements:
                    engine.session.query(statement)
            case "datafusion":
                for statement in statements:
                    engine.context.sql(statement).collect()
            case "spark":
                for statement in statements:
                    engine.session.sql(statement).collect()
            case "mariadb":
                engine.server.script(target.storage.end.join(statements))
    finally:
        os.chdir(before)


def bits(values):
    return [None if v is None else np.float64(v).tobytes() for v in values]


def check_odd(engine, table, found):
    if engine.name == "mariadb":
        # A query's answer is text there, which has no sign of zero.
        assert [v and float(v) for v in found.column("x").to_pylist()] == table.data.column(
            "x"
        ).to_pylist()
    elif engine.name == "sqlite":
        # It keeps no sign of zero either.
        assert found.column("x").to_pylist() == table.data.column("x").to_pylist()
    else:
        assert bits(found.column("x").to_pylist()) == bits(table.data.column("x").to_pylist())
    # The reader of what Postgres answers takes this text for NULL, and no other.
    expected = [None if s == "\\N" and engine.name == "postgres" else s or "" for s in ODD[:-1]]
    assert found.column("s").to_pylist() == [*expected, "is missing"]


@pytest.mark.parametrize("from_files", [False, True], ids=["inserts", "files"])
def test_rows_come_back_to_the_bit(keeper, tmp_path, from_files):
    from foresql.models_sql import data_file, write_data

    target = target_of(keeper.name)
    if from_files and not target.storage.load:
        pytest.skip("its files hold INSERTs")
    table = odd_table()
    script = Script("", (table,), ())
    if from_files:
        write_data(table, tmp_path / data_file(table, target), target)
    statements = list(table_statements(script, target, str(tmp_path), from_files=from_files))
    for _ in range(2):  # the second run replaces what the first one wrote
        execute(keeper, statements, tmp_path)
        quoted = target.quoted
        count = (
            keeper.run(f"SELECT count(*) AS n FROM {quoted(table.name)}", FLIGHTS)
            .column("n")
            .to_pylist()
        )
        assert [int(n) for n in count] == [9]
    found = keeper.run(
        f"SELECT {quoted('x')} AS x, coalesce({quoted('s')}, 'is missing') AS s "
        f"FROM {quoted(table.name)} ORDER BY coalesce({quoted('i')}, 99)",
        FLIGHTS,
    )
    check_odd(keeper, table, found)


def test_a_model_in_tables_gives_the_kernels_bits(keeper, made, tmp_path):
    target = target_of(keeper.name)
    if keeper.name in {"clickhouse", "spark"}:
        pytest.skip("it takes no such subquery, or no view over the tests' table")
    script = script_of(made, keeper.name, source="flights")
    keeper.run("SELECT 1 AS one", FLIGHTS)  # makes the table of rows
    execute(keeper, ["CREATE TABLE flights AS SELECT * FROM probes"], tmp_path)
    for _ in range(2):
        execute(keeper, list(with_rows(script, target)), tmp_path)
    by_case = compile_query(made.forest(), target, "probes", keep=("id",)).text
    expected = keeper.run(by_case, FLIGHTS).sort_by("id")
    found = keeper.run("SELECT * FROM scored", FLIGHTS).sort_by("id")
    assert found.to_pylist() == expected.to_pylist()


def test_a_forest_walks_through_what_the_folder_loads(keeper, tmp_path):
    target = target_of(keeper.name)
    if target.walk is None:
        pytest.skip("it has no walk")
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(500, 4)), columns=list("abcd"))
    estimator = RandomForestRegressor(12, random_state=0).fit(frame, rng.normal(size=500))
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    options = {"name": f"walked_{keeper.name}", "keep": ["id"], "strategy": "walk"}
    folder = tmp_path / "out"
    source = "flights_of_walk"
    foresql.compile_files(Bundle(model, {}), keeper.name, folder, source=source, **options)
    table = training.table.slice(0, 40)
    rows = table.append_column("id", pa.array(range(40)))
    keeper.run("SELECT 1 AS one", rows)  # makes the table of rows
    start = [f"CREATE TABLE {source} AS SELECT * FROM probes"]
    for text in [(folder / name).read_text() for name in ("1_tables.sql", "2_score.sql")]:
        execute(keeper, [*start, *statements_of(text, keeper)], folder)
        start = []
    found = keeper.run(f"SELECT * FROM walked_{keeper.name} ORDER BY id", rows)
    scorer = Scorer(model)
    expected = scorer.run(scorer.decoder.decode(table)).numbers(model.outputs.prediction[0])
    assert bits(found.column("prediction").to_pylist()) == bits(expected.tolist())


def statements_of(text, engine):
    """Give a script to those that read scripts, and statements, none of which has an end within."""
    if engine.name in {"duckdb", "sqlite", "postgres"}:
        return [text.removesuffix(";\n")]
    lines = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("--"))
    return [part for part in lines.split(";\n") if part.strip()]


def test_a_model_without_a_need_of_tables_has_none(made):
    script = script_of(made, "duckdb", strategy="case")
    assert script.tables == ()
    assert [*with_rows(script, target_of("duckdb"))] == [*script.score]


@pytest.mark.parametrize("form", ["select", "view", "macro"])
def test_a_statement_alone_refuses_a_model_in_tables(bundle, form):
    source = None if form == "macro" else "t"
    with pytest.raises(UnsupportedModelError, match="lives in 1 tables of 8 rows") as caught:
        foresql.compile_sql(bundle, "duckdb", form=form, source=source, strategy="leaves")
    assert "--as tables" in str(caught.value)


def test_names_of_tables_say_the_version_and_what_is_in_them():
    first = pa.table({"a": [1.0, None], "b": [["x"], None]})
    names = {table_name("score_delay_v3", "nodes", 0, each) for each in (first, first.slice(0, 2))}
    assert len(names) == 1
    (name,) = names
    assert re.fullmatch(r"score_delay_v3_nodes0_[0-9a-f]{10}", name)
    others = (first.slice(1), first.rename_columns(["a", "c"]), pa.table({"a": [0.0, None]}))
    assert all(table_name("score_delay_v3", "nodes", 0, each) != name for each in others)
    assert len(table_name("ü" * 99, "nodes", 0, first).encode()) <= 56


@pytest.mark.parametrize("name", sorted(targets()))
def test_an_insert_stays_within_the_statement(name):
    target = target_of(name)
    rows = 20_000
    data = pa.table({"node": np.arange(rows), "value": np.linspace(-1, 1, rows)})
    table = ModelTable("many", data)
    given = list(table_statements(Script("", (table,), ()), target))
    inserts = [each for each in given if each.startswith("INSERT")]
    assert max(len(each.encode()) for each in inserts) <= target.limits.bytes // 2
    assert max(each.count("\n") for each in inserts) <= target.storage.rows
    assert sum(each.count("\n") for each in inserts) == rows


def test_lists_are_arrays_or_refused():
    data = pa.table({"tree": [0, 1], "values": [[0.1, -2.0], []]})
    script = Script("", (ModelTable("lists", data),), ())
    connection = duckdb.connect()
    for statement in table_statements(script, target_of("duckdb")):
        connection.execute(statement)
    assert connection.sql("FROM lists").fetchall() == [(0, [0.1, -2.0]), (1, [])]
    with pytest.raises(UnsupportedModelError, match="has lists, which SQLite lacks"):
        list(table_statements(script, target_of("sqlite")))


@pytest.mark.parametrize("from_files", [False, True], ids=["inserts", "files"])
def test_lists_come_back_to_the_bit(keeper, tmp_path, from_files):
    from foresql.models_sql import data_file, write_data

    target = target_of(keeper.name)
    if target.storage.list_type is None or (from_files and not target.storage.load):
        pytest.skip("it has no lists")
    numbers = [each for each in NUMBERS if each is not None]
    data = pa.table({"i": [1], "x": [[*numbers, float("inf")]], "n": [[-(2**62), 0, 7]]})
    table = ModelTable("odd_lists_0123456789", data)
    script = Script("", (table,), ())
    if from_files:
        write_data(table, tmp_path / data_file(table, target), target)
    statements = list(table_statements(script, target, str(tmp_path), from_files=from_files))
    execute(keeper, statements, tmp_path)
    element = {"spark": "element_at({0}, {1})"}.get(keeper.name, "{0}[{1}]")
    columns = [f"{element.format('x', i + 1)} AS x{i}" for i in range(len(numbers) + 1)]
    columns += [f"{element.format('n', i + 1)} AS n{i}" for i in range(3)]
    (row,) = keeper.run(f"SELECT {', '.join(columns)} FROM {table.name}", FLIGHTS).to_pylist()
    found = [row[f"x{i}"] for i in range(len(numbers) + 1)]
    assert bits(found) == bits(data.column("x")[0].as_py())
    assert [int(row[f"n{i}"]) for i in range(3)] == [-(2**62), 0, 7]


def test_columns_to_keep_are_a_list(bundle):
    with pytest.raises(UnsupportedModelError, match=r"give keep=\['id'\]"):
        foresql.compile_sql(bundle, "duckdb", source="flights", keep="id")


def test_too_many_rows_for_a_text_are_refused():
    rows = np.zeros(LOADED_AT_ONCE + 1)
    script = Script("", (ModelTable("many", pa.table({"x": rows})),), ("SELECT 1",))
    with pytest.raises(UnsupportedModelError, match="--output FOLDER"):
        list(with_rows(script, target_of("duckdb")))


def test_a_folder_runs_in_order(bundle, tmp_path, monkeypatch):
    options = {"source": "flights", "keep": ["id"], "strategy": "leaves", "name": "scored"}
    files = foresql.compile_files(bundle, "duckdb", tmp_path / "out", **options)
    names = [path.name for path in files]
    assert names[:2] == ["1_tables.sql", "2_score.sql"]
    assert re.fullmatch(r"scored_leaves0_\w+\.parquet", names[2])
    assert names[3] == "foresql.json"
    assert sorted(names) == sorted(path.name for path in (tmp_path / "out").iterdir())
    connection = duckdb.connect()
    connection.register("given", FLIGHTS)
    connection.execute("CREATE TABLE flights AS FROM given")
    monkeypatch.chdir(tmp_path / "out")
    for path in sorted((tmp_path / "out").glob("*.sql")) * 2:
        connection.execute(path.read_text())
    options["strategy"] = "case"
    expected = connection.sql(foresql.compile_sql(bundle, "duckdb", **options)).fetchall()
    assert connection.sql("FROM scored").fetchall() == expected


def test_a_folder_is_replaced_only_if_foresql_wrote_it(bundle, tmp_path):
    def write(folder, **options):
        return foresql.compile_files(
            bundle, "duckdb", folder, source="t", strategy="leaves", **options
        )

    first = {path.name: path.read_bytes() for path in write(tmp_path / "out")}
    with pytest.raises(ForesqlError, match="--overwrite"):
        write(tmp_path / "out")
    again = {path.name: path.read_bytes() for path in write(tmp_path / "out", overwrite=True)}
    assert again == first
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ForesqlError, match=r"holds 'notes.txt', which foresql did not write"):
        write(tmp_path / "out", overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ForesqlError, match="is a file"):
        write(tmp_path / "file", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


def test_a_write_that_fails_leaves_nothing(bundle, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foresql.scoring.compiled_files.write_data", fail)
    with pytest.raises(ForesqlError, match="cannot be written: No space left"):
        foresql.compile_files(bundle, "duckdb", tmp_path / "o", source="t", strategy="leaves")
    assert list(tmp_path.iterdir()) == []


def test_a_place_of_files_is_asked_for_where_the_engine_has_its_own(bundle, tmp_path):
    options = {"source": "t", "strategy": "leaves"}
    with pytest.raises(UnsupportedModelError, match="--stage"):
        foresql.compile_files(bundle, "bigquery", tmp_path / "out", **options)
    foresql.compile_files(bundle, "bigquery", tmp_path / "out", stage="gs://b/f", **options)
    assert "'gs://b/f/score_delay_leaves0_" in (tmp_path / "out" / "1_tables.sql").read_text()


def test_there_is_a_macro_or_a_table_to_score(bundle):
    statement = foresql.compile_sql(bundle, "duckdb", form="tables", strategy="leaves", keep=["id"])
    connection = duckdb.connect()
    connection.execute(statement)
    connection.register("flights", FLIGHTS)
    assert len(connection.sql("FROM score_delay('flights')").fetchall()) == 3
    with pytest.raises(UnsupportedModelError, match="--from flights"):
        foresql.compile_sql(bundle, "sqlite", form="tables")
