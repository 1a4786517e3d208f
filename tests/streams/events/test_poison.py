"""Events that a sink could refuse, which anyone who publishes can send: dead letters, no more."""

import json

import psycopg
import pytest
from postgres_server import postgres_server
from worked_flights import COLUMNS, flight

QUERY = "SELECT flight_id, carrier, predict_delay(f) AS late FROM flights f"
WINDOW = """SELECT flight_id, predict_delay(f) AS late, n FROM (SELECT *, count(*) OVER (
    PARTITION BY carrier ORDER BY born RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW
) AS n FROM flights) f"""
ZERO = "A\0A"


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def rows_of(server):
    server.psql("DROP SCHEMA IF EXISTS foresql CASCADE; DROP SCHEMA public CASCADE")
    server.psql("CREATE SCHEMA public")

    def select(query):
        with psycopg.connect(server.address) as connection:
            return connection.execute(query).fetchall()

    return select


def events(bad, **changes):
    """Ten flights, of which number 4 has a bad value."""
    return [
        json.dumps(flight(number) | changes | (bad if number == 4 else {})).encode()
        for number in range(10)
    ]


def check(rows_of, payloads, step, reason):
    """All but number 4 have predictions, and its letter has its bytes."""
    found = rows_of("SELECT flight_id FROM predictions ORDER BY 1")
    assert found == [(number,) for number in range(10) if number != 4]
    [letter] = rows_of("SELECT step, reason, payload FROM foresql.dead_letters")
    assert (letter[0], bytes(letter[2])) == (step, payloads[4])
    assert reason in letter[1]


def test_a_zero_byte_in_a_text(flights, server, rows_of):
    payloads = events({"carrier": ZERO})
    flights.append(payloads)
    totals = flights.work(flights.define(query=QUERY, sink=server.address))
    check(rows_of, payloads, "sink", "carrier has a zero byte")
    assert totals.dead == {"sink": 1}


def test_a_zero_byte_that_a_reason_quotes(flights, server, rows_of):
    payloads = events({"A\0": 1})
    flights.append(payloads)
    flights.work(flights.define(query=QUERY, events='unknown = "refuse"', sink=server.address))
    check(rows_of, payloads, "decode", r"unknown field `A\0`")


def test_a_zero_byte_in_what_windows_keep(flights, server, rows_of):
    payloads = events({"carrier": ZERO}, born="2026-01-01T00:00:00")
    flights.append(payloads)
    definition = flights.define(
        query=WINDOW,
        columns=f'{COLUMNS}, born = "TIMESTAMP"',
        events='time = "born"',
        more='[window]\nkey = ["carrier"]\nlateness = "1 s"',
        sink=server.address,
    )
    flights.work(definition, flush=True)
    check(rows_of, payloads, "sink", "carrier has a zero byte")


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
def test_an_id_that_no_index_takes(flights, server, rows_of, kind):
    text = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4000))
    payloads = events({"carrier": text})
    payloads = [
        each.replace(b'"carrier": "', b'"carrier": "%d' % n) for n, each in enumerate(payloads)
    ]
    flights.append(payloads)
    sink = server.address if kind == "postgres" else "duckdb:scores.duckdb"
    flights.work(flights.define(query=QUERY, events='id = ["carrier"]', sink=sink))
    select = rows_of if kind == "postgres" else flights.sql
    check(select, payloads, "decode", "its id has more than 2,000 bytes")
