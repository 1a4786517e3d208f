"""What an analytics engineer reads when something does not fit: what, where, and what to do."""

import pytest
from dbt_shop import Shop

SCORED = "{{{{ foresql.scored({}) }}}}"
FEATURES = "ref('features')"
BROKEN = {
    "no_alias": (
        SCORED.format("'late:1', ref('features'), key='id', predict='p'"),
        "'late:1' names no alias of a model. Write 'delay@champion'.",
    ),
    "no_answer": (
        SCORED.format("'late@champion', ref('features'), key='id'"),
        "in no_answer asks for no answer. Write predict='…', predict_proba='…' or both",
    ),
    "no_key": (
        SCORED.format("'late@champion', ref('features'), key=[], predict='p'"),
        "in no_key names no key. Write key='id', or a list of columns.",
    ),
    "twice": (
        SCORED.format("'late@champion', ref('features'), key='id', predict='ID'"),
        "in twice gives the column 'ID' twice. Give one of them another name.",
    ),
    "no_ref": (
        SCORED.format("'late@champion', 'features', key='id', predict='p'"),
        "foresql.scored in no_ref needs the features as ref('…') or source('…', '…')",
    ),
}
"""Models that are not parsed, and what is said of them."""
FAILING = {
    "unknown_alias": (
        "select {{ foresql.predict('late@nobody', 'f') }} from {{ ref('features') }} f"
    ),
    "mistaken": (
        "select {{ foresql.predict('value@challenger', 'f') }} from {{ ref('features') }} f"
    ),
    "no_probabilities": (
        "select {{ foresql.predict_proba('value@champion', 'f') }} from {{ ref('features') }} f"
    ),
    "lacks": SCORED.format("'late@champion', ref('narrow'), key='id', predict='p'"),
    "text": SCORED.format("'late@champion', ref('texts'), key='id', predict='p'"),
    "ephemeral": SCORED.format("'late@champion', ref('passing'), key='id', predict='p'"),
}
HELPERS = {
    "narrow": (
        "{{ config(materialized='table') }} "
        "select id, distance, features_hash from {{ ref('features') }}"
    ),
    "texts": (
        "{{ config(materialized='table') }} select id, 'far' as distance, \"Two words\", "
        "\"select\", carrier, features_hash from {{ ref('features') }}"
    ),
    "passing": "{{ config(materialized='ephemeral') }} select * from {{ ref('features') }}",
}
TOLD = {
    "duckdb": (
        "No function answers for late@nobody here: profiles.yml names predict_kind, predict_late, ",
        "What to do: add `predict_late_nobody: late@nobody` to the models of the plugin",
        "gives predict_value_challenger the model late@challenger, and value@challenger is called ",
        "value@champion has no predict_proba: the model gives no class probabilities.",
        'cannot score "shop"."main"."narrow": it lacks Two words, select, carrier.',
        "Distance is VARCHAR, and the model takes a number",
        "which is ephemeral. What to do: materialize it as a table or a view",
    ),
    "postgres": (
        "macros/foresql_models.sql does not know late@nobody. It knows: late@champion, ",
        "value@champion late@nobody --to duckdb --to postgres --into macros/foresql_models.sql",
        "value@champion has no predict_proba: the model gives no class probabilities.",
        'cannot score "postgres"."shop"."narrow": it lacks Two words, select, carrier.',
        "Distance is text, and the model takes a number",
        "which is ephemeral. What to do: materialize it as a table or a view",
    ),
}


@pytest.fixture
def written(shop: Shop):
    """Write models that go away again."""
    names = []

    def write(models):
        for name, text in models.items():
            names.append(shop.folder / f"models/broken/{name}.sql")
            shop.put(f"models/broken/{name}.sql", text)

    yield write
    for name in names:
        name.unlink(missing_ok=True)


def test_what_cannot_be_parsed_is_named(shop, written):
    if shop.target == "postgres":
        pytest.skip("parsing is the same")
    for name, (text, told) in BROKEN.items():
        written({name: text})
        assert told in shop.fail("parse")
        (shop.folder / f"models/broken/{name}.sql").unlink()


def test_what_cannot_be_scored_is_said_before_it_is(shop, written):
    written(HELPERS | FAILING)
    message = shop.fail("run", "--select", "features", *HELPERS, *FAILING)
    assert [told for told in TOLD[shop.target] if told not in message] == []
    assert message.count(" ERROR creating sql") == len(FAILING)


def test_a_project_without_the_compile_step_is_told_to_run_it(shop):
    if shop.target == "duckdb":
        pytest.skip("models are functions there")
    shop.compile_step("late@champion")
    message = shop.fail("run", "--select", "kinds")
    assert "What to do: foresql dbt-macros late@champion kind@champion --to postgres" in message
    (shop.folder / "macros/foresql_models.sql").unlink()
    message = shop.fail("run", "--select", "kinds")
    assert "macros/foresql_models.sql does not know kind@champion. It knows: no model." in message
    shop.compile_step("kind@champion", to=("snowflake",))
    message = shop.fail("run", "--select", "kinds")
    assert "has kind@champion for snowflake, and not as SQL for postgres" in message
    assert "dbt-macros kind@champion --to postgres --to snowflake --into" in message
    shop.compile_step("late@champion", "late@challenger", "kind@champion", "value@champion")
    # dbt's partial parsing does not see a macro file that comes back.
    shop.run("parse", "--no-partial-parse")
