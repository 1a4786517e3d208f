"""A table of flights that changes, its scoring query, and what a full rescore gives."""

import foresql

QUERY = """
SELECT flight_id, predict_delay(f) AS late, predict_proba_delay(f) AS p,
  f.distance = 0 AND signbit(f.distance) AS sign
FROM flight_features f WHERE f.distance > 10 OR f.carrier = 'AA' OR f.distance IS NULL -- those
"""
# Each with its index, so that keys come again with other rows.
MAKE = """
CREATE TABLE flight_features AS
SELECT i AS flight_id, (i * 7 % 400) / 4 AS distance, ['AA', 'B6', 'DL', 'UA'][1 + i % 4] AS carrier
FROM range({rows}::BIGINT) t(i)
"""
DISTANCES = ("NULL", "0.0", "-(0.0::DOUBLE)", "'nan'::DOUBLE", "-('nan'::DOUBLE)", "1e308", "37.5")
CARRIERS = ("NULL", "''", "'AA'", "'B6'", "'ZZ'")


def promote(registry, version):
    """Make a version the champion, where it is not."""
    store = foresql.Registry(registry)
    head = store.alias("delay", "champion").version
    if head != version:
        store.move_alias("delay", "champion", version, expected=head)


def exact(rows):
    """Rows in the order of their key, in which -0.0 is not 0.0, and NaN is NaN."""
    return sorted((tuple(map(repr, row)) for row in rows), key=lambda row: int(row[0]))


def rescored(connection, registry, table="flight_features"):
    query = QUERY.replace("flight_features", table)
    return exact(foresql.run_query(connection, query, registry=registry).fetchall())


def predicted(connection):
    query = "SELECT flight_id, late, p, sign FROM predictions"
    return exact(connection.execute(query).fetchall())


def change(connection, random):
    """Make one random change of a few rows."""
    keys = ", ".join(str(random.randrange(60)) for _ in range(3))
    distance, carrier = random.choice(DISTANCES), random.choice(CARRIERS)
    match random.randrange(5):
        case 0:
            connection.execute(f"DELETE FROM flight_features WHERE flight_id IN ({keys})")
        case 1:
            # DuckDB leaves a value that an UPDATE sets to an equal one, such as 0.0 to -0.0.
            connection.execute(
                f"CREATE OR REPLACE TABLE flight_features AS SELECT * REPLACE (if(flight_id IN "
                f"({keys}), {distance}, distance) AS distance) FROM flight_features"
            )
        case 2:
            connection.execute(
                f"UPDATE flight_features SET carrier = {carrier} WHERE flight_id IN ({keys})"
            )
        case 3:
            connection.execute(
                f"INSERT INTO flight_features SELECT k, {distance}, {carrier} FROM "
                f"(SELECT DISTINCT unnest([{keys}])) t(k) "
                "WHERE k NOT IN (SELECT flight_id FROM flight_features)"
            )
        case _:
            # dbt replaces whole tables, with their rows in another order.
            connection.execute(
                "CREATE OR REPLACE TABLE flight_features AS "
                f"SELECT * FROM flight_features ORDER BY hash(flight_id + {random.randrange(99)})"
            )
