"""A dbt project of one table of features and two of predictions, with a model of two versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd

import foresql
from foresql import Registry

PACKAGE = Path(__file__).parents[2] / "dbt_project/foresql_package"
KINDS = ["book", "game", "Zubehör", ""]
COLUMNS = ["item_id", "shop", "item", "price", "weight", "kind", "seen_at"]
FILES = {
    "dbt_project.yml": """
        name: shop
        profile: shop
    """,
    "packages.yml": "packages: [{local: PACKAGE}]",
    "profiles.yml": """
        shop:
          target: local
          outputs:
            local:
              type: duckdb
              path: "{{ env_var('FORESQL_DATABASE') }}"
              threads: 1
              plugins:
                - module: foresql.udfs.dbt
                  config:
                    registry: "{{ env_var('FORESQL_REGISTRY') }}"
                    models: {predict_bid: bid@champion}
    """,
    "models/features.sql": """
        {{ config(materialized='table') }}
        select *, {{ foresql.features_hash('f') }} as features_hash from raw.items as f
    """,
    "models/bids.sql": """
        {{ foresql.scored(
            'bid@champion', ref('features'), key='item_id',
            predict='bids', predict_proba='probability',
        ) }}
    """,
    "models/bids_by_shop.sql": """
        {{ foresql.scored(
            'bid@champion', ref('features'), key=['shop', 'item'],
            predict='bids', predict_proba='probability', keep=['seen_at'],
        ) }}
    """,
}


@dataclass
class SmallProject:
    """Its folder; the models that the registry's versions were made of, by number."""

    folder: Path
    models: dict[int, Any] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def database(self) -> Path:
        return self.folder / "shop.duckdb"

    @property
    def registry(self) -> Path:
        return self.folder / "registry"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FORESQL_DATABASE": str(self.database),
            "FORESQL_REGISTRY": str(self.registry),
        }

    def query(self, sql: str, *values: object) -> list[tuple]:
        with duckdb.connect(self.database) as connection:
            return connection.execute(sql, values).fetchall()

    def answers(self, version: int, rows: list[tuple]) -> list[tuple]:
        """Give the library's own labels and probabilities, for rows of `COLUMNS`."""
        if not rows:
            return []
        frame = features_of(pd.DataFrame(rows, columns=COLUMNS))
        model = self.models[version]
        labels, shares = model.predict(frame), model.predict_proba(frame)[:, 1]
        return list(zip(labels.tolist(), shares.tolist(), strict=True))


def features_of(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "price": frame["price"].astype("float64"),
            "weight": frame["weight"].astype("float64"),
            "kind": pd.Categorical(
                frame["kind"].where(frame["kind"].isin(KINDS), None), categories=KINDS
            ),
        }
    )


def write_files(folder: Path, files: dict[str, str], **replaced: str) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        written = dedent(text).lstrip()
        for word, value in replaced.items():
            written = written.replace(word, value)
        path.write_text(written)


def make_small_project(folder: Path) -> SmallProject:
    """Publish two versions of a model, and write the project; its database has no rows yet."""
    made = SmallProject(folder)
    write_files(made.project, FILES, PACKAGE=str(PACKAGE))
    rng = np.random.default_rng(1)
    frame = features_of(
        pd.DataFrame(
            {
                "price": rng.normal(size=400),
                "weight": rng.normal(size=400),
                "kind": rng.choice(KINDS, size=400),
            }
        )
    )
    for version in (1, 2):
        noise = rng.normal(size=400)
        target = frame["price"] * version + frame["weight"] + noise > frame["kind"].cat.codes - 1
        model = lgb.LGBMClassifier(n_estimators=8, num_leaves=7, verbose=-1, n_jobs=1, seed=version)
        made.models[version] = model.fit(frame, target)
        foresql.publish(
            "bid",
            made.models[version],
            like=frame,
            registry=made.registry,
            alias="champion" if version == 1 else None,
            probe_rows=50,
        )
    assert Registry(made.registry).resolve("bid@champion").version == 1
    made.query("create schema raw")
    made.query(
        "create table raw.items (item_id varchar, shop varchar, item integer, price double, "
        "weight double, kind varchar, seen_at timestamp)"
    )
    return made
