"""One small project, built in DuckDB and in Postgres; the tests change its rows and go on."""

import shutil
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from dbt_shop import Shop, open_shop
from lightgbm import LGBMClassifier
from postgres_server import postgres_server
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import foresql

FUNCTIONS = {
    "predict_late": "late@champion",
    "predict_late_challenger": "late@challenger",
    "predict_kind": "kind@champion",
    "predict_value": "value@champion",
    # As somebody wrote it who mistook the names.
    "predict_value_challenger": "late@challenger",
}
REFERENCES = ("late@champion", "late@challenger", "kind@champion", "value@champion")
CARRIERS = ("UA", "o'Hare {{ x }}", "two\nlines", "{% raw %}", "#}")
"""Keys of a column, in which Jinja and SQL would see something of their own."""
BRACES = 'the "select" {{ x }} {% if %}'
KINDS = np.array(["low", "it's {{ high }}", "NULL"])
RAW = """
create table raw as
select
    i as id,
    cast(i % 3 as integer) as "Part Of",
    case when i % 10 <> 0 then cast(i % 17 as double precision) / 7 - 1 end as distance,
    cast(i % 13 as double precision) / 5 - 1 as "Two words",
    i % 5 = 0 as "select",
    {carrier} as carrier,
    case when i % 7 <> 0 then cast(i % 11 as double precision) end as "{braces}"
from generate_series(1, 500) as t(i)
"""
MODELS = {
    # `distance` was called Distance when the model was trained: dbt's models write no quotes.
    "models__features": """{{ config(materialized='table') }}
        select r.*, {{ foresql.features_hash('r') }} as features_hash
        from (select * from {{ target.schema }}.raw) as r""",
    "models__predictions": """{{ foresql.scored(
        'late@champion', ref('features'), key='id',
        predict='is_late', predict_proba='probability', keep=['carrier', 'Part Of']) }}""",
    "models__kinds": """{{ foresql.scored(
        'kind@champion', ref('features'), key=['id', 'Part Of'],
        predict='Kind Of', predict_proba='kinds') }}""",
    "models__calls": """{{ config(materialized='table') }}
        select f.id,
            {{ foresql.predict('value@champion', 'f', ref('features')) }} as value,
            {{ foresql.predict_proba('late@challenger', 'f', ref('features')) }} as probability,
            {{ foresql.model_version('late@challenger') }} as version
        from {{ ref('features') }} as f""",
}


@dataclass(frozen=True)
class Models:
    """The registry, and the estimators that are in it."""

    registry: object
    late: object
    challenger: object
    kind: object
    value: object

    def answers(self, shop: Shop) -> pd.DataFrame:
        """What the libraries say of the rows of the features."""
        braces = BRACES.replace('"', '""')
        found = pd.DataFrame(
            shop.sql(
                'select id, distance, "Two words", "select", carrier, '
                f'"{braces}" from features order by id'
            ),
            columns=["id", "Distance", "Two words", "select", "carrier", BRACES],
        )
        found["carrier"] = pd.Categorical(found["carrier"], categories=CARRIERS)
        found = found.astype({"Distance": float, BRACES: float})
        rows = found[["Distance", "Two words", "select", "carrier"]]
        odd = found[[BRACES]].assign(distance=found["Distance"])
        answers = found[["id"]].assign(
            is_late=self.late.predict(rows),
            probability=self.late.predict_proba(rows)[:, 1],
            kind=self.kind.predict(odd),
            value=self.value.predict(odd),
        )
        for index, label in enumerate(self.kind.classes_):
            answers[label] = self.kind.predict_proba(odd)[:, index]
        return answers


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    registry = tmp_path_factory.mktemp("models") / "registry"
    random = np.random.default_rng(7)
    rows = 600
    frame = pd.DataFrame(
        {
            "Distance": random.normal(size=rows),
            "Two words": random.normal(size=rows),
            "select": random.random(rows) > 0.5,
            "carrier": pd.Categorical(random.choice(CARRIERS, rows), categories=CARRIERS),
        }
    )
    label = (frame["Distance"] + frame["Two words"] * frame["select"] > 0).astype(int)
    label ^= (frame["carrier"] == "two\nlines").astype(int)
    numbers = frame[["Distance", "Two words"]]
    odd = (
        frame[["Distance"]].rename(columns={"Distance": BRACES}).assign(distance=frame["Two words"])
    )
    late = LGBMClassifier(n_estimators=15, num_leaves=7, verbose=-1).fit(frame, label)
    challenger = DecisionTreeClassifier(max_depth=2, random_state=0).fit(numbers, label)
    kind = DecisionTreeClassifier(max_depth=4, random_state=0).fit(
        odd, KINDS[label + frame["select"].astype(int)]
    )
    value = DecisionTreeRegressor(max_depth=4, random_state=0).fit(odd, frame["Two words"])
    publish = {"registry": registry, "probe_rows": 150}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foresql.publish("late", late, like=frame, alias="champion", **publish)
        foresql.publish("late", challenger, like=numbers, alias="challenger", **publish)
        foresql.publish("kind", kind, like=odd, alias="champion", **publish)
        foresql.publish("value", value, like=odd, alias="champion", **publish)
    return Models(registry, late, challenger, kind, value)


@pytest.fixture(scope="session")
def postgres():
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def built(request, models, tmp_path_factory) -> Shop:
    """Build the project from nothing."""
    folder = tmp_path_factory.mktemp(request.param)
    registry = shutil.copytree(models.registry, folder / "registry")
    shop = open_shop(folder / "shop", registry, FUNCTIONS)
    shop.target = request.param
    schema = "main"
    if request.param == "postgres":
        schema = "shop"
        settings = request.getfixturevalue("postgres").settings
        shop.environment = {**settings, "SHOP_SCHEMA": schema}
        # Where another module's tests asked for DuckDB in between, this is built a second time.
        shop.sql(f"drop schema if exists {schema} cascade")
        shop.sql(f"create schema {schema}")
    shop.put(
        "dbt_project.yml",
        (shop.folder / "dbt_project.yml").read_text() + "vars: {foresql_run_log: false}\n",
    )
    shop.compile_step(*REFERENCES, to=("duckdb", "postgres"))
    shop.write(**MODELS)
    whens = " ".join(f"when {index} then {literal(text)}" for index, text in enumerate(CARRIERS))
    shop.sql(RAW.format(carrier=f"case i % 6 {whens} end", braces=BRACES.replace('"', '""')))
    shop.sql("create table raw_before as select * from raw")
    shop.run("run")
    return shop


def literal(text: str) -> str:
    """Write a text, with its newline as it is."""
    return "'" + text.replace("'", "''") + "'"


@pytest.fixture
def shop(built) -> Shop:
    """The project with the rows of the start, all of them scored by the champion of the start."""
    yield built
    built.reset()
