"""A table of predictions in the fake account: its models, its task, and what the library says."""

import math
from contextlib import contextmanager
from functools import partial
from unittest import mock

import lightgbm
import pandas as pd
import snowflake_account
from fakesnow.instance import FakeSnow
from snowflake_account import check_syntax
from snowflake_streams import Streams, block_of, run_block, steps_of, written

import foresql
from foresql.deploy.plan import Phase
from foresql.deploy.snowflake.asked import Asked
from foresql.deploy.snowflake.deployment import Options, plan_deploy
from foresql.deploy.snowflake.settings import Settings
from foresql.scoring.models import open_model

QUERY = """
SELECT flight_id, predict_delay(f) AS late, predict_proba_delay(f) AS p
FROM flight_features f WHERE f.distance > 10 OR f.carrier = 'AA'
"""
SOURCE = '"FORESQL"."SERVING"."FLIGHT_FEATURES"'
TARGET = '"FORESQL"."SERVING"."PREDICTIONS"'
CARRIERS = ("AA", "B6", "DL", "UA")


def publish_versions(registry, trees=(3, 4)):
    """Publish versions that give other probabilities; give the fitted estimators by version."""
    rows = pd.DataFrame(
        {
            "distance": [value * 7 % 400 / 4 for value in range(400)],
            "carrier": pd.Categorical(CARRIERS * 100, CARRIERS),
        }
    )
    late = (rows["distance"] > 40) ^ (rows["carrier"] == "UA")
    found = {}
    for version, count in enumerate(trees, 1):
        model = lightgbm.LGBMClassifier(n_estimators=count, num_leaves=5, verbose=-1)
        found[version] = model.fit(rows, late)
        foresql.publish("delay", model, like=rows, alias="champion", registry=registry)
    return found


def is_wanted(distance, carrier):
    return (distance is not None and distance > 10) or carrier == "AA"


class Predictions:
    """One table of predictions, kept by what foresql writes."""

    def __init__(self, account, registry, models, **asked):
        self.account, self.registry, self.models = account, registry, models
        self.streams = Streams(account)
        self.asked = {"query": QUERY, "into": "PREDICTIONS", "key": ["flight_id"]} | asked
        self.task = None
        self.version = 1

    def upkeep(self, version):
        asked = Asked(**self.asked, models=[f"delay:{version}"])
        return asked.upkeep(Settings(), self.registry)

    def run_plan(self, plan):
        """Do what a session does with a plan, and what the account's emulation needs."""
        for step in plan.steps:
            sql = step.sql
            if sql.startswith("CREATE STREAM"):
                self.streams.create(sql)
            elif sql.startswith(("CREATE TASK", "ALTER TASK")) and "$$" in sql:
                self.account.session.run(sql)
                self.task = block_of(sql)
            elif sql.startswith("EXECUTE IMMEDIATE"):
                if "SYSTEM$WAIT" not in sql:
                    run_block(block_of(sql), self.streams)
            elif "INFORMATION_SCHEMA" in sql or "SYSTEM$STREAM" in sql:
                check_syntax(sql)
            elif sql.startswith("CREATE OR REPLACE VIEW"):
                self.account.duck.execute(written(self.account, sql))
            else:
                self.account.session.run(sql)

    def run_task(self, began=None):
        """Do what the trigger does: run the task where the stream has something."""
        if began or self.streams.has_data(f'{TARGET[:-1]}_CHANGES"'):
            run_block(self.task, self.streams, began)

    def steps(self, block=None):
        return steps_of(block or self.task, self.streams)

    def insert(self, *rows):
        values = ", ".join(map(_row_sql, rows))
        self.account.duck.execute(
            f'INSERT INTO {SOURCE} ("FLIGHT_ID", "DISTANCE", "CARRIER") VALUES {values}'
        )

    def change(self, text):
        self.account.duck.execute(f"UPDATE {SOURCE} SET {text}")

    def delete(self, key):
        condition = "IS NULL" if key is None else f"= {key!r}"
        self.account.duck.execute(f'DELETE FROM {SOURCE} WHERE "FLIGHT_ID" {condition}')

    def rows(self):
        return self.query(f'SELECT "FLIGHT_ID", "DISTANCE", "CARRIER" FROM {SOURCE}')

    def expected(self, rows=None):
        """Score all rows of the condition by the library itself."""
        rows = self.rows() if rows is None else rows
        wanted = [row for row in rows if is_wanted(*row[1:])]
        return self.library(self.models, wanted, self.version)

    @staticmethod
    def library(models, rows, version):
        if not rows:
            return {}
        frame = pd.DataFrame(rows, columns=["key", "distance", "carrier"])
        features = pd.DataFrame(
            {
                "distance": frame["distance"].astype(float),
                "carrier": pd.Categorical(frame["carrier"], CARRIERS),
            }
        )
        model = models[version]
        labels, chances = model.predict(features), model.predict_proba(features)[:, 1]
        return {
            row[0]: (bool(late), float(p))
            for row, late, p in zip(rows, labels, chances, strict=True)
        }

    def stored(self, answers='"LATE", "P"'):
        rows = self.query(
            f'SELECT "FLIGHT_ID", {answers}, "MODEL_NAME", "MODEL_VERSION", "SCORING_HASH", '
            f'"FEATURES_HASH", "SCORED_AT", "RUN_ID" FROM {TARGET}'
        )
        assert len({row[0] for row in rows}) == len(rows), "a key is there twice"
        return {row[0]: row[1:] for row in rows}

    def check_newest(self):
        """Check, where the row with the greatest distance counts."""
        newest = {}
        for row in sorted(self.rows(), key=lambda row: row[1]):
            newest[row[0]] = row
        self.check(list(newest.values()))

    def check(self, rows=None):
        """Fail unless the predictions are a full rescore by the library, and stamped as such."""
        stored, expected = self.stored(), self.expected(rows)
        assert set(stored) == set(expected)
        for key, (late, p, *stamps) in stored.items():
            assert bool(late) is expected[key][0]
            assert math.isclose(p, expected[key][1], rel_tol=0, abs_tol=2e-16)
            assert stamps[:2] == ["delay", str(self.version)]
            assert stamps[2] == self.upkeep(self.version).scoring_hash
            assert all(stamp is not None for stamp in stamps)
        assert self.stale() == []

    def stale(self):
        return self.query(f'SELECT * FROM {TARGET[:-1]}_STALE"')

    def query(self, sql):
        return self.account.duck.execute(sql).fetchall()


def _row_sql(row):
    return "(" + ", ".join("NULL" if v is None else _value_sql(v) for v in row) + ")"


def _value_sql(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def make_schemas(account):
    for name in ("MODELS", "SERVING"):
        account.session.run(f'CREATE SCHEMA IF NOT EXISTS "FORESQL"."{name}"')


def make_source(predictions, key="NUMBER(38, 0)"):
    """Make the table of features, whose rows are known by a hidden column."""
    predictions.account.session.run(
        f'CREATE TABLE {SOURCE} ("FLIGHT_ID" {key}, "DISTANCE" FLOAT, "CARRIER" VARCHAR)'
    )
    predictions.streams.track(SOURCE)


def deploy_versions(account, registry, versions=(1, 2)):
    """Create versions as foresql does: the uploaded zip, and the handler in it.

    The guards read the history, which is of no matter to tasks and not here.
    """
    places = Settings().places
    account.session.run(f"CREATE STAGE IF NOT EXISTS {places.in_models(places.stage)}")
    options = Options(golden_rows=20, inline=False)
    for version in versions:
        opened = open_model(f"delay:{version}", registry)
        for step in plan_deploy(opened, Settings(), alias=None, options=options).steps:
            if step.upload is not None:
                account.session.upload(step.upload.content, step.upload.stage_path)
            elif step.phase is Phase.CREATE and step.sql.startswith("CREATE"):
                account.session.run(step.sql)


@contextmanager
def open_account(path, registry):
    """Open an account whose database is a file, with the models' functions."""
    with mock.patch.object(snowflake_account, "FakeSnow", partial(FakeSnow, db_path=path)):
        account = snowflake_account.Account()
    make_schemas(account)
    deploy_versions(account, registry)
    yield account
    account.close()
