"""What the server answers is what DuckDB's functions answer, to the last bit."""

import json
import math
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from foresql.certify.probes import make_probes
from foresql.scoring import open_model

MODELS = ("delay", "late", "kinds", "pair")
IN_ONE = 60
"""More rows than are scored in place, and fewer than make a test slow."""


@pytest.fixture(scope="session")
def probes(published):
    """Rows on every threshold and beside it, by model."""

    def of(name) -> pa.Table:
        model = open_model(f"{name}@champion", published).bundle.model
        empty = {c.name: pa.nulls(2, TYPES[c.type.value]) for c in model.signature.columns}
        found = make_probes(model, pa.table(empty), 400, seed=5)
        # Rows that a linear model refuses are found one by one, which takes long.
        tables = [probe.table.slice(0, 15 if name == "pair" else 400) for probe in found]
        return pa.concat_tables(tables, promote_options="permissive")

    return {name: of(name) for name in MODELS}


MOST_ROWS = 400
TYPES = {
    "double": pa.float64(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "varchar": pa.string(),
    "timestamp": pa.timestamp("us"),
}


def in_json(value):
    return value.isoformat() if isinstance(value, datetime) else value


def can_be_json(row) -> bool:
    return all(not isinstance(v, float) or math.isfinite(v) for v in row.values())


def duckdb_answers(database, name, table) -> list[dict | None]:
    """Ask for all rows at once, and for fewer where one is refused, which is None."""
    extra = f", predict_proba_{name}(t) AS probability" if name in {"late", "kinds"} else ""
    database.register("some_rows", table)
    query = f"SELECT predict_{name}(t) AS value{extra} FROM some_rows t"
    try:
        found = database.sql(query).to_arrow_table().to_pylist()
    except Exception as error:  # of whatever kind DuckDB makes of it
        if "ScoringError" not in str(error):
            raise
        if len(table) == 1:
            return [None]
        half = len(table) // 2
        parts = table.slice(0, half), table.slice(half)
        return [answer for part in parts for answer in duckdb_answers(database, name, part)]
    return [row | {"value": as_list(row["value"])} for row in found]


def as_list(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", MODELS)
def test_rows_by_name(shared, database, probes, name):
    rows = [row for row in probes[name].to_pylist() if can_be_json(row)][-MOST_ROWS:]
    table = pa.Table.from_pylist(rows, schema=probes[name].schema)
    expected = duckdb_answers(database, name, table)
    rows = [{column: in_json(value) for column, value in row.items()} for row in rows]
    compared = 0
    for row, answer in list(zip(rows, expected, strict=True))[:: 1 if name == "pair" else 5]:
        response = shared.post(f"/predict/{name}", {"rows": [row]})
        if answer is None or not finite(answer):
            assert response.status_code == 422
            continue
        assert response.json()["answers"] == [answer]
        compared += 1
    assert compared > 2
    good = [(r, a) for r, a in zip(rows, expected, strict=True) if a is not None and finite(a)]
    for size in (IN_ONE, len(good)):
        asked = [row for row, _ in good[:size]]
        answered = shared.post(f"/predict/{name}", {"rows": asked}).json()["answers"]
        assert answered == [answer for _, answer in good[:size]]


def finite(answer) -> bool:
    flat = answer["value"] if isinstance(answer["value"], list) else [answer["value"]]
    return all(not isinstance(v, float) or math.isfinite(v) for v in flat)


@pytest.mark.parametrize("name", ["delay", "pair"])
def test_binary_tensors_with_all_that_json_lacks(shared, database, probes, name):
    """NaN and infinities go in and come out."""
    table = probes[name]
    expected = duckdb_answers(database, name, table)
    keep = [index for index, answer in enumerate(expected) if answer is not None]
    table, expected = table.take(keep), [expected[index]["value"] for index in keep]
    columns = [column.to_numpy(zero_copy_only=False) for column in table.columns]
    for rows in (1, 7, len(table)):
        body, headers = binary_request(table.column_names, [c[:rows] for c in columns])
        response = shared.post(f"/v2/models/{name}/infer", body, headers=headers)
        assert response.status_code == 200, response.text
        end = int(response.headers["inference-header-content-length"])
        found = np.frombuffer(response.content[end:], "<f8")
        wanted = np.array(expected[:rows], np.float64).ravel()
        assert found.tobytes() == wanted.tobytes()
    assert np.isinf(np.concatenate([*columns, wanted])).any()


def binary_request(names, columns):
    blobs = [np.asarray(column, "<f8").tobytes() for column in columns]
    inputs = [
        {
            "name": name,
            "shape": [len(column), 1],
            "datatype": "FP64",
            "parameters": {"binary_data_size": len(blob)},
        }
        for name, column, blob in zip(names, columns, blobs, strict=True)
    ]
    text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return text + b"".join(blobs), {"inference-header-content-length": str(len(text))}


def test_contributions_and_intervals(shared, database, probes):
    rows = [row for row in probes["delay"].to_pylist() if can_be_json(row)][:80]
    table = pa.Table.from_pylist(rows, schema=probes["delay"].schema)
    database.register("some_rows", table)
    found = database.sql(
        "SELECT explain_delay(t) AS explanation, interval_delay(t, 0.9) AS interval "
        "FROM some_rows t"
    ).to_arrow_table()
    body = {"rows": rows, "explain": True, "interval": 0.9}
    answers = shared.post("/predict/delay", body).json()["answers"]
    assert [{k: a[k] for k in ("explanation", "interval")} for a in answers] == found.to_pylist()
    one = shared.post("/predict/delay", body | {"rows": rows[:1]}).json()["answers"]
    assert one == answers[:1]
