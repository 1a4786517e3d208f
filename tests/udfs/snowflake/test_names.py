"""Names and literals: nothing that a user wrote ends a statement."""

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from foresql.errors import ForesqlError
from foresql.models_sql import target_of
from foresql.udfs.snowflake.names import (
    Places,
    argument_names,
    dollar_quoted,
    function_name,
    literal,
    quote,
    relation_name,
    stored_name,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(TEXTS)
def test_a_literal_is_one_token_that_reads_back(text):
    tokens = sqlglot.tokenize(f"{literal(text)} x", read="snowflake")
    assert [token.text for token in tokens[1:]] == ["x"]
    assert tokens[0].text == text


@given(TEXTS.filter(bool))
def test_an_identifier_is_one_token_that_reads_back(name):
    tokens = sqlglot.tokenize(f"{quote(name)} x", read="snowflake")
    assert [token.text for token in tokens] == [name, "x"]
    assert stored_name(quote(name)) == name


@pytest.mark.parametrize("name", ["", "a\0", "x" * 256])
def test_what_is_no_identifier(name):
    with pytest.raises(ForesqlError, match="is no name in Snowflake"):
        quote(name)


def test_a_literal_without_nul():
    with pytest.raises(ForesqlError, match="holds NUL"):
        literal("a\0b")


@pytest.mark.parametrize("body", ["SELECT '$$'", "ends with $"])
def test_a_body_that_would_end_itself(body):
    with pytest.raises(ForesqlError, match="two dollar signs"):
        dollar_quoted(body)


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("flights", '"FLIGHTS"'),
        ("shop.flights", '"SHOP"."FLIGHTS"'),
        ('"a.b".c$1."d""e"', '"a.b"."C$1"."d""e"'),
    ],
)
def test_the_name_of_a_table(written, quoted):
    assert relation_name(written) == quoted


@pytest.mark.parametrize("written", ["", "a b", "a;b", "a.b.c.d", 'a."', "a--", "1a", "a.", '""'])
def test_what_is_no_name_of_a_table(written):
    with pytest.raises(ForesqlError, match="is no name of a table"):
        relation_name(written)


@pytest.mark.parametrize("written", ["", "a b", 'a"b', '"a'])
def test_what_is_no_name(written):
    with pytest.raises(ForesqlError, match="is no name in Snowflake"):
        stored_name(written)


def test_functions_of_versions_and_aliases():
    assert function_name("delay", "predict", 7) == "PREDICT_DELAY_V7"
    assert function_name("delay", "predict_proba", alias="champion") == "PREDICT_PROBA_DELAY"
    assert function_name("delay", "predict", alias="Challenger") == "PREDICT_DELAY_CHALLENGER"


def test_arguments_are_folded_where_that_loses_nothing():
    assert argument_names(["origin", "Select", "a b", "ä", "$x"]) == (
        *("ORIGIN", "SELECT", "a b", "ä", "$x"),
    )
    assert argument_names(["Fare", "fare", "age"]) == ("Fare", "fare", "AGE")


def test_compiled_models_fold_as_functions_do():
    columns = ["origin", "a$b", "zip code", "Select"]
    assert argument_names(columns) == tuple(map(target_of("snowflake").folded, columns))
    assert argument_names(columns) == ("ORIGIN", "A$B", "zip code", "SELECT")


def test_places_are_quoted():
    places = Places(database='my "db"', models="M", serving="s", stage="B")
    assert places.in_models("X") == '"my ""db"""."M"."X"'
    assert places.in_serving("X") == '"my ""db"""."s"."X"'
    assert places.staged("a/b.zip") == '@"my ""db"""."M"."B"/a/b.zip'
