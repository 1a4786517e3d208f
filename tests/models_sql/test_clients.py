"""Macros in a database file, in clients of DuckDB that know nothing of foresql or Python."""

import json
import os

import duckdb
import numpy as np
import pandas as pd
import pytest
from clients import command_line_client, node_client, run
from lightgbm import LGBMClassifier

import foresql
from foresql.certify.probes import make_probes
from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle

QUERY = """
SELECT id, a.prediction, a.margin, hex(a.margin::VARCHAR) AS digits, m.margin AS by_macro
FROM (SELECT id, score(t) AS a FROM t) JOIN score_all('t') AS m USING (id) ORDER BY id
"""
SCRIPT = """
const { DuckDBInstance } = require("@duckdb/node-api");

async function main([database, query]) {
    const instance = await DuckDBInstance.create(database, { access_mode: "READ_ONLY" });
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(query);
    console.log(JSON.stringify(result.getRowObjectsJson()));
}

main(process.argv.slice(2));
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Make a file with rows and macros, and give what the kernel answers."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "distance": rng.normal(size=400),
            "carrier": pd.Categorical(rng.choice(["UA", "O'Hare", "ü"], 400)),
        }
    )
    late = (frame["distance"] > 0) ^ (frame["carrier"] == "UA")
    model = LGBMClassifier(n_estimators=20, num_leaves=7, n_jobs=1, verbose=-1).fit(frame, late)
    training = Training.of(frame, model)
    converted = convert(model, training)
    bundle = Bundle(converted, {"name": "delay"})
    path = tmp_path_factory.mktemp("file") / "f.duckdb"
    # Version 1.5 of the file format, which these clients read.
    with duckdb.connect(path, config={"storage_compatibility_version": "v1.5.0"}) as connection:
        for index, probe in enumerate(make_probes(converted, training.table, 60, seed=0)):
            connection.register("probe", probe.table)
            start = f"SELECT {index} * 1000 + row_number() OVER () AS id, * FROM probe"
            into = "CREATE TABLE t AS" if index == 0 else "INSERT INTO t BY NAME"
            connection.execute(f"{into} {start}")
        options = {"strategy": "case"}
        connection.execute(
            foresql.compile_sql(bundle, "duckdb", form="function", name="score", **options)
        )
        connection.execute(
            foresql.compile_sql(
                bundle, "duckdb", form="macro", name="score_all", keep=["id"], **options
            )
        )
        rows = connection.sql("FROM t ORDER BY id").to_arrow_table()
        answers = foresql.kernels.Scorer(converted)
        values = answers.run(answers.decoder.decode(rows))
        margins = values.numbers(converted.outputs.margins[0]).tolist()
        ours = connection.sql(QUERY).to_arrow_table().to_pylist()
    assert [row["margin"] for row in ours] == margins
    assert [row["by_macro"] for row in ours] == margins
    return path, ours


def test_node(database, tmp_path):
    path, expected = database
    folder = node_client()
    script = tmp_path / "score.js"
    script.write_text(SCRIPT)
    environment = os.environ | {"NODE_PATH": str(folder / "node_modules")}
    found = json.loads(run("node", script, path, QUERY, env=environment))
    assert same(found) == same(expected)


def test_command_line(database):
    path, expected = database
    found = json.loads(run(command_line_client(), "-readonly", "-json", path, "-c", QUERY))
    assert same(found) == same(expected)


def same(rows):
    """Read identifiers alike: they are texts in JSON of Node, which has no 64-bit integers."""
    return [{**row, "id": int(row["id"])} for row in rows]
