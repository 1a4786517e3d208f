"""Other clients, which have no Python in them: what a database's macros and the extension give.

The clients are installed on demand into a cache folder, `$FORESQL_TEST_CACHE` or
`~/.cache/foresql-tests`: DuckDB for Node.js from npm, and DuckDB's command line from PyPI.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from clients import command_line_client, node_client, run

import foresql
from foresql.udfs.duckdb.extension import extension_path

pytestmark = pytest.mark.skipif(
    extension_path() is None, reason="the DuckDB extension was not built with the package"
)

QUERY = "SELECT predict_delay(t) AS label, predict_proba_delay(t) AS probability, predict_label($m, t) AS generic, predict_proba_all($m, t) AS listed FROM t ORDER BY n"  # noqa: E501
SCRIPT = """
const { DuckDBInstance } = require("@duckdb/node-api");

async function main([database, extension, query]) {
    const options = { access_mode: "READ_ONLY", allow_unsigned_extensions: "true" };
    const instance = await DuckDBInstance.create(database, options);
    const connection = await instance.connect();
    await connection.run(`LOAD '${extension}'`);
    const result = await connection.runAndReadAll(query);
    console.log(JSON.stringify(result.getRowObjectsJson()));
}

main(process.argv.slice(2));
"""


@pytest.fixture
def database(tmp_path, flights, delay, monkeypatch):
    """Make a file with rows and the functions of a model, and give what Python answers."""
    import lightgbm

    monkeypatch.chdir(tmp_path)
    labels = np.select([delay < 5, delay < 10], ["early", "about on time"], "late")
    model = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=7, n_jobs=1, verbose=-1)
    foresql.publish("delay", model.fit(flights, labels), like=flights, alias="champion")
    # Version 1.5 of the file format, which every DuckDB that loads the extension reads.
    options = {"config": {"storage_compatibility_version": "v1.5.0"}}
    with foresql.connect(tmp_path / "f.duckdb", **options) as con:
        con.register("frame", flights)
        con.execute("CREATE TABLE t AS SELECT row_number() OVER () AS n, * FROM frame")
        foresql.register(con, "delay@champion")
        table = con.sql(query(tmp_path)).to_arrow_table().to_pylist()
    assert [row["label"] for row in table] == model.predict(flights).tolist()
    return tmp_path / "f.duckdb", table


def query(folder: Path) -> str:
    return QUERY.replace("$m", f"'{folder}/foresql_registry/delay@champion'")


def test_node(database, tmp_path):
    path, expected = database
    folder = node_client()
    script = tmp_path / "score.js"
    script.write_text(SCRIPT)
    done = run(
        *("node", script, path, extension_path(), query(tmp_path)),
        env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
    )
    assert json.loads(done) == expected


def test_command_line(database, tmp_path):
    path, expected = database
    client = command_line_client()
    load = f"LOAD '{extension_path()}'"
    done = run(client, "-unsigned", "-readonly", "-json", path, "-c", load, "-c", query(tmp_path))
    assert json.loads(done) == expected
