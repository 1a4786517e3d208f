"""Queries and definitions that are not served, by the name of what is refused."""

import pytest
from endpoint_shop import SAME

from foresql.errors import EndpointError

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

ONLY = "FROM trips t"
REFUSED = {
    f"SELECT sum(distance) AS s {ONLY}": "sum",
    f"SELECT avg(distance) OVER () AS s {ONLY}": "avg OVER",
    f"SELECT distance {ONLY} ORDER BY 1": "ORDER BY, LIMIT or DISTINCT",
    f"SELECT distance {ONLY} LIMIT 1": "ORDER BY, LIMIT or DISTINCT",
    f"SELECT DISTINCT distance {ONLY}": "ORDER BY, LIMIT or DISTINCT",
    f"SELECT origin, count(*) AS n {ONLY} GROUP BY origin": "GROUP BY",
    f"SELECT random() AS r {ONLY}": "random",
    f"SELECT now() AS r {ONLY}": "now",
    f"SELECT current_date AS r {ONLY}": "current_date",
    f"SELECT (SELECT 1) AS r {ONLY}": "a subquery",
    f"SELECT distance {ONLY} UNION ALL SELECT 1": "a set operation",
    f"SELECT hash(t) AS h {ONLY}": "t as one value",
    f"SELECT foresql_row {ONLY}": "begins with foresql_",
    f"SELECT origin COLLATE nocase AS o {ONLY}": "COLLATE",
    f"SELECT to_timestamp(distance) AS o {ONLY}": "to_timestamp",
    f"SELECT predict_nothing(t) AS p {ONLY}": "predict_nothing",
    f"SELECT unnest([1, 2]) AS o {ONLY}": "unnest",
    f"SELECT 1::HUGEINT AS big {ONLY}": "the output big",
    f"SELECT distance AS a, origin AS A {ONLY}": "the columns of the query",
    "SELECT t.origin FROM trips t JOIN weather w ON w.delay = t.distance": "the join of w",
    "SELECT t.origin FROM trips t JOIN weather w ON w.origin < t.origin": "the join of w",
    "SELECT t.origin FROM trips t JOIN weather w ON w.origin = t.distance": "the join of weather",
    "SELECT t.origin FROM trips t RIGHT JOIN weather w USING (origin)": "the join of w",
    "SELECT t.origin FROM trips t, weather w WHERE w.origin = t.origin": "the join of w",
    "SELECT t.origin FROM weather w JOIN trips t USING (origin)": "it is the request's rows",
    "SELECT t.origin FROM trips t JOIN trips u USING (origin)": "it is the request's rows",
    "SELECT t.origin FROM trips t JOIN planes p USING (origin)": "FROM in the query",
    "SELECT 1 AS one": "FROM in the query",
    "INSERT INTO trips VALUES (1)": "the query",
    "SELECT FROM": "cannot be parsed",
    "SELECT nothing FROM trips": "nothing",
}


def test_queries_that_are_refused(shop):
    """By the name of what is refused: the answer to a row must not depend on those beside it."""
    found = {sql: shop.refused(sql) for sql in REFUSED}
    assert {sql: why for sql, why in found.items() if REFUSED[sql] not in why} == {}


def test_an_endpoint_called_like_a_model_is_refused(shop, start):
    shop.write(SAME, name="delay")
    with pytest.raises(EndpointError, match="has the name of a model"):
        start(shop.registry, endpoints=shop.settings())


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[request]\ntabel = 'x'", "did you mean table"),
        ("[request]\ncolumns = { id = 'NUMBER' }", "is no type of DuckDB's"),
        ("[request]\ncolumns = { id = 'INTERVAL' }", "rows of a request cannot have"),
        ("[request]\nkey = 'nothing'", "no such column"),
        ("[request]\ntable = 'nothing'", "says that nothing is the request's rows"),
        ("[answer]\ncolumns = ['nothing']", "gives no such column"),
        ("[request", "is not TOML"),
        ("request = 1", "must be a table"),
    ],
)
def test_definitions_that_are_refused(shop, toml, says):
    assert says in shop.refused(SAME, toml)
