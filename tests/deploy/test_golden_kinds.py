"""Golden rows of every kind of answer: objects, arrays, intervals, sums that round."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from releases import opened, stump
from sklearn.linear_model import LinearRegression, LogisticRegression
from snowflake_account import Account

from foresql.certify.publish import prepare
from foresql.deploy.plan import Phase
from foresql.deploy.snowflake.deployment import plan_deploy
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup
from foresql.errors import AccountError
from foresql.frontends import Training
from foresql.ir.bundle import Bundle
from foresql.udfs.snowflake.artifact import build_artifact

RANDOM = np.random.default_rng(7)
FRAME = pd.DataFrame(RANDOM.normal(size=(60, 2)), columns=["b", "a"])
# fakesnow reads a key as a path, so no label holds a dollar sign or a quote here.
LABELS = np.array(["z", "Late", "two words"])[np.arange(60) % 3]


def converted(estimator):
    return prepare(estimator, Training.of(FRAME, estimator), opaque=False)


def classifier(regularisation):
    return converted(LogisticRegression(C=regularisation).fit(FRAME, LABELS))


def vectors(factor):
    return converted(LinearRegression().fit(FRAME, FRAME.to_numpy() * factor))


def intervals(width):
    return replace(stump(["a", "b"]), residuals=(0.5,) * 10 + (width,) * 20)


MODELS = {
    "classifier": (lambda: (classifier(1.0), classifier(1.0001)), 2),
    "vectors": (lambda: (vectors(1.0), vectors(1.0 + 1e-12)), 2),
    "intervals": (lambda: (intervals(2.0), intervals(2.1)), 3),
}


@pytest.fixture(scope="module")
def account():
    account = Account()
    for step in plan_setup(Settings()).steps:
        if not step.sql.startswith("CREATE DATABASE"):
            account.session.run(step.sql)
    yield account
    account.close()


@pytest.mark.parametrize("name", MODELS)
def test_golden_rows_hold_every_answer(account, name):
    make, checks = MODELS[name]
    right, wrong = make()
    rows = [tuple(row) for row in FRAME.to_numpy()[:8].tolist()]
    release = opened(right, 1, name, rows)
    for model in (right, wrong):
        artifact = build_artifact(Bundle(model), name, 1)
        found = list(checked(account, plan_deploy(release, Settings(), artifact=artifact)))
        assert len(found) == checks
        failed = [each for each in found if isinstance(each, str)]
        assert bool(failed) == (model is wrong), failed


def checked(account, plan):
    for step in plan.steps:
        if step.upload:
            account.session.upload(step.upload.content, step.upload.stage_path)
        elif step.phase is Phase.CREATE:
            account.session.run(step.sql)
        elif step.phase is Phase.CHECK:
            try:
                yield account.session.run(step.sql)
            except AccountError as error:
                yield str(error)
