"""A small warehouse with predictions of real models, and their outcomes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import foresql
from foresql.monitoring import Report, Wishes, make_report

ROWS = 3000


@dataclass(frozen=True)
class Shop:
    """A folder with a registry, and a database of features, predictions and outcomes."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "shop.duckdb"

    @property
    def registry(self) -> Path:
        return self.folder / "registry"

    def report(self, model: str = "bought", **wishes: Any) -> Report:
        return make_report(
            f"{model}@champion", self.database, registry=self.registry, wishes=Wishes(**wishes)
        )

    def execute(self, *statements: str) -> None:
        with duckdb.connect(self.database) as connection:
            for statement in statements:
                connection.execute(statement)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.database, read_only=True) as connection:
            return connection.execute(sql).fetchall()


def customers(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(rows)],
            "day": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows) // 10, "D"),
            "age": rng.integers(18, 80, rows).astype("float64"),
            "income": rng.lognormal(3, 0.6, rows),
            "plan": rng.choice(["basic", "plus", "pro"], rows, p=[0.6, 0.3, 0.1]),
        }
    )
    odds = 1 / (1 + np.exp(2 - frame["age"] / 40 - frame["income"] / 60))
    frame["has_bought"] = rng.random(rows) < odds
    frame["spent"] = frame["income"] * 2 + frame["age"] + rng.normal(0, 5, rows)
    frame["segment"] = np.where(
        frame["income"] > 30, "rich", np.where(frame["age"] > 50, "old", "young")
    )
    return frame


FEATURES = ["age", "income", "plan"]
TARGETS = {"bought": "has_bought", "spent": "spent", "segment": "segment"}


def fill(folder: Path, models: tuple[str, ...]) -> Shop:
    """Publish models, score with them, and store what dbt would have stored."""
    shop = Shop(folder)
    frame = customers()
    train = frame[: ROWS // 2].astype({"plan": "category"})
    for name in models:
        last = {
            "bought": LogisticRegression(max_iter=5000),
            "spent": LinearRegression(),
            "segment": DecisionTreeClassifier(max_depth=3, random_state=0),
        }[name]
        columns = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["plan"]), remainder="passthrough"
        )
        estimator = make_pipeline(columns, last).fit(train[FEATURES], train[TARGETS[name]])
        foresql.publish(
            name,
            estimator,
            like=train[FEATURES],
            alias="champion",
            registry=shop.registry,
            probe_rows=200,
        )
    with duckdb.connect(shop.database) as connection:
        connection.execute(
            "CREATE TABLE features AS SELECT customer_id, day, age, income, plan FROM frame"
        )
        connection.execute(
            "CREATE TABLE outcomes AS SELECT customer_id, has_bought, spent, segment FROM frame"
        )
        for name in models:
            foresql.register(connection, f"{name}@champion", registry=shop.registry, temporary=True)
            answer = {
                "bought": "predict_proba_bought(f) AS bought_probability, "
                "predict_bought(f) AS predicted_bought",
                "spent": "predict_spent(f) AS predicted_spent",
                "segment": "predict_segment(f) AS predicted_segment",
            }[name]
            connection.execute(
                f"CREATE TABLE {name}_predictions AS SELECT customer_id, {answer}, '{name}' AS "
                "model_name, 1 AS model_version, TIMESTAMP '2025-11-01 06:00' AS scored_at, "
                "'run-1' AS run_id FROM features f"
            )
    return shop
