"""Other clients, which have no Python in them: what a database's macros and the extension give.

The clients are installed on demand into a cache folder, `$FORESQL_TEST_CACHE` or
`~/.cache/foresql-tests`: DuckDB for Node.js from npm, and DuckDB's command line from PyPI.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import foresql
from foresql.udfs.duckdb.extension import extension_path

pytestmark = pytest.mark.skipif(
    extension_path() is None, reason="the DuckDB extension was not built with the package"
)

CACHE = Path(os.environ.get("FORESQL_TEST_CACHE") or "~/.cache/foresql-tests").expanduser()
NODE_API = "@duckdb/node-api@1.5.6-r.1"
COMMAND_LINE = "duckdb-cli==1.5.6"
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


@pytest.fixture(scope="module")
def install():
    """Run a command that installs a client into a folder, once for all test runs."""

    def run(name: str, *command: str) -> Path:
        folder = CACHE / name
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder
            made = folder.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            line = [part.replace("FOLDER", str(made)) for part in command]
            done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=made)
            if done.returncode:
                pytest.skip(f"{' '.join(line)} failed, is there a network? {done.stderr[-300:]}")
            made.rename(folder)
        return folder

    return run


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


def test_node(database, install, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed; with it, the test installs the rest by itself")
    path, expected = database
    folder = install("node-api-1.5.6", "npm", "install", "--silent", "--prefix", "FOLDER", NODE_API)
    script = tmp_path / "score.js"
    script.write_text(SCRIPT)
    done = run(
        *("node", script, path, extension_path(), query(tmp_path)),
        env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
    )
    assert json.loads(done) == expected


def test_command_line(database, install, tmp_path):
    path, expected = database
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    folder = install("duckdb-cli-1.5.6", *pip, "--target", "FOLDER", COMMAND_LINE)
    client = folder / "duckdb_cli" / "duckdb"  # no script in Python around it
    load = f"LOAD '{extension_path()}'"
    done = run(client, "-unsigned", "-readonly", "-json", path, "-c", load, "-c", query(tmp_path))
    assert json.loads(done) == expected


def run(*command: object, **options) -> str:
    line = [str(part) for part in command]
    done = subprocess.run(line, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
