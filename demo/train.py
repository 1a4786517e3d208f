"""Two models of one question: whether a flight arrives more than 15 minutes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["FIRST_TEST_DAY", "Split", "Trained", "read_split", "train_challenger", "train_champion"]

FIRST_TEST_DAY = "2013-10-01"
CATEGORIES = ["carrier", "origin", "dest", "plane_manufacturer"]
# The month is left out because the months of the test are none that was trained on.
NOT_TRAINED_ON = ["flight_id", "flight_date", "scheduled_departure", "month", "features_hash"]
SEED = 20131001


@dataclass(frozen=True, slots=True)
class Split:
    """Features and labels before a day, and from that day on."""

    train_features: pd.DataFrame
    train_labels: pd.Series
    test_features: pd.DataFrame
    test_labels: pd.Series


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted estimator, what it was fitted on, and how well it ranks the later flights."""

    estimator: Any
    features: pd.DataFrame
    auc: float


def read_split(database: Path, first_test_day: str = FIRST_TEST_DAY) -> Split:
    """Read features and labels of all flights that arrived, split by time.

    Parameters
    ----------
    database
        The DuckDB file, with `flight_features` and `flight_outcomes` built.
    first_test_day
        Local date, as YYYY-MM-DD: flights before it are trained on, the others test.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        frame: Any = connection.execute(
            """
            select
                features.*,
                outcomes.is_late::integer as is_late,
                features.flight_date >= $1::date as is_test
            from flight_features as features
            join flight_outcomes as outcomes using (flight_id)
            where outcomes.is_late is not null
            order by flight_id
            """,
            [first_test_day],
        ).df()
    frame = frame.drop(columns=NOT_TRAINED_ON)
    # Integers with missing values come in a type of pandas that not every library reads.
    frame = frame.astype({name: "float64" for name in frame if str(frame[name].dtype) == "Int32"})
    labels, is_test = frame.pop("is_late"), frame.pop("is_test")
    return Split(frame[~is_test], labels[~is_test], frame[is_test], labels[is_test])


def train_champion(split: Split) -> Trained:
    """Fit LightGBM, which takes categories and missing values as they are."""
    from lightgbm import LGBMClassifier

    categories = {name: sorted(split.train_features[name].dropna().unique()) for name in CATEGORIES}
    features = as_categories(split.train_features, categories)
    estimator = LGBMClassifier(
        n_estimators=150,
        learning_rate=0.06,
        min_child_samples=300,
        random_state=SEED,
        deterministic=True,
        force_row_wise=True,
        # Six seconds on one core. Several threads spin for minutes where other work shares them.
        n_jobs=1,
        verbose=-1,
    )
    estimator.fit(features, split.train_labels)
    test_features = as_categories(split.test_features, categories)
    return Trained(estimator, features, auc(estimator, split, test_features))


def train_challenger(split: Split) -> Trained:
    """Fit a logistic regression behind imputation, scaling and one-hot encoding."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    texts = Pipeline(
        [
            ("impute", SimpleImputer(strategy="constant", fill_value="unknown")),
            ("encode", OneHotEncoder(handle_unknown="ignore")),
        ]
    )
    number_columns = [name for name in split.train_features if name not in CATEGORIES]
    columns = ColumnTransformer(
        [("numbers", numbers, number_columns), ("texts", texts, CATEGORIES)]
    )
    estimator = Pipeline([("columns", columns), ("classify", LogisticRegression(max_iter=300))])
    estimator.fit(split.train_features, split.train_labels)
    return Trained(estimator, split.train_features, auc(estimator, split, split.test_features))


def as_categories(frame: pd.DataFrame, categories: dict[str, list[str]]) -> pd.DataFrame:
    """Make texts categories; a text that is none of them is missing, as it is when scored."""
    from pandas import CategoricalDtype

    columns: dict[str, Any] = {
        name: frame[name].where(frame[name].isin(known)).astype(CategoricalDtype(known))
        for name, known in categories.items()
    }
    return frame.assign(**columns)


def auc(estimator: Any, split: Split, test_features: pd.DataFrame) -> float:
    from sklearn.metrics import roc_auc_score

    probability = estimator.predict_proba(test_features)[:, 1]
    return float(roc_auc_score(split.test_labels, probability))
