"""Keys that a feature view has not, or cannot have: an error, or the declared row."""

import pytest

from foresql.online import Wanted, materialize
from foresql.serving import Endpoints

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
QUERY = "SELECT t.id, s.size FROM trips t {} sizes s ON s.id = t.id"
TYPES = (("SMALLINT", 2**15), ("UTINYINT", -1), ("BIGINT", 2**62))


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN"])
@pytest.mark.parametrize("missing", ["error", "null", "defaults"])
def test_a_key_out_of_the_bounds_of_a_view(published, tmp_path, start, missing, join):
    folder, online = tmp_path / "serving", str(tmp_path / "online")
    folder.mkdir()
    for type_, _ in TYPES:
        query = f"SELECT 1::{type_} AS id, 2 AS size"
        wanted = Wanted(name=f"sizes_{type_.lower()}", keys=("id",), query=query, missing=missing)
        assert materialize([wanted], online)[0].problem is None
        written = QUERY.format(join).replace("sizes", wanted.name)
        (folder / f"of_{type_.lower()}.sql").write_text(written)
        columns = '[request]\ncolumns = { id = "BIGINT" }\n'
        (folder / f"of_{type_.lower()}.toml").write_text(columns)
    client = start(published, endpoints=Endpoints(folder, online=online))
    for type_, key in TYPES:
        url = f"/predict/of_{type_.lower()}"
        # The two ways of answering: row by row, and by DuckDB.
        for count in (1, 3_000):
            response = client.post(url, {"rows": [{"id": key}] * count})
            found = response.json()
            can_be = type_ == "BIGINT"
            if missing == "null" or (missing == "defaults" and can_be):
                answer = {"id": key, "size": None}
                is_there = missing == "defaults" or join == "LEFT JOIN"
                assert found["answers"] == [answer] * count * is_there
            else:
                assert response.status_code == 422
                assert f"row for id = {key}" in found["error"]
        outside = client.post(url, {"rows": [{"id": 2**63}]})
        assert outside.status_code == 400, outside.text
