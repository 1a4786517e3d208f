"""The statements of functions: arguments, packing, bodies, hostile names."""

import pytest
import sqlglot
from releases import artifact_of, opened, stump
from sqlfluff.core import FluffConfig, Linter
from sqlglot.tokens import TokenType

from foresql.deploy.snowflake.release import release_of
from foresql.ir import ColumnType
from foresql.udfs.snowflake.names import Places, quote
from foresql.udfs.snowflake.sql_statements import SqlModel
from foresql.udfs.snowflake.statements import (
    alias_reference,
    call,
    create_alias,
    create_version_function,
    create_versioned,
)

PLACES = Places()
HOSTILE = [
    *('"; DROP SCHEMA x; --', "$$", "a $$ b", "it's", "new\nline", "back\\slash", "/* */"),
    *("select", "Mixed Case", "ä", "<% x %>", "&x", "{name}"),
]


def created(columns, kinds=None, **options):
    release = opened(stump(columns, kinds=kinds))
    functions = release_of(release)
    artifact = artifact_of(release, inline="import base64\n_ZIP = '''YQ=='''")
    return [
        create_versioned(functions, function, artifact, PLACES, **options)
        for function in functions.functions
    ]


def statements_in(sql):
    """Count statements: semicolons that are no part of a text, name or comment end one."""
    tokens = sqlglot.tokenize(sql, read="snowflake")
    return 1 + sum(token.token_type is TokenType.SEMICOLON for token in tokens)


@pytest.fixture(scope="module")
def linter():
    return Linter(config=FluffConfig(overrides={"dialect": "snowflake"}))


@pytest.mark.parametrize("column", HOSTILE)
def test_hostile_columns_end_nothing(column):
    columns = [column, "distance"]
    release = opened(stump(columns))
    functions = release_of(release)
    first = functions.functions[0]
    texts = [*created(columns), create_alias(functions, first, "champion", PLACES)]
    shown = "SELECT" if column == "select" else column
    for text in texts:
        assert statements_in(text) == 1
        names = [token.text for token in sqlglot.tokenize(text, read="snowflake")]
        assert shown in names


@pytest.mark.parametrize("column", HOSTILE)
def test_hostile_columns_in_sql_alone(column):
    release = opened(stump([column, "distance"]))
    score = SqlModel(release_of(release), release.bundle.model)
    for text in (score.create(PLACES), score.create_alias("champion", PLACES)):
        assert statements_in(text) == 1


def test_sqlfluff_reads_no_argument_whose_name_needs_quotes(linter):
    # It is a gap of sqlfluff's: Snowflake's arguments are identifiers as any other.
    for column in HOSTILE:
        text = created([column])[0]
        plain = text.replace(quote(column), '"PLAIN"')
        assert linter.parse_string(f"{plain};\n").violations == []
        is_plain = column == "select"
        assert (linter.parse_string(f"{text};\n").violations == []) == is_plain


def test_types_of_arguments():
    kinds = [*ColumnType]
    (text, *_) = created([f"c{place}" for place in range(len(kinds))], kinds)
    assert (
        '    "C0" FLOAT,\n    "C1" FLOAT,\n    "C2" BOOLEAN,\n    "C3" VARCHAR,\n'
        '    "C4" TIMESTAMP_NTZ\n)\nCOPY GRANTS' in text
    )


def test_500_columns_are_arguments_and_501_an_object():
    whole = opened(stump([f"c{place}" for place in range(500)]))
    function = release_of(whole).functions[0]
    assert create_alias(release_of(whole), function, "champion", PLACES).count("FLOAT") == 501
    packed = release_of(opened(stump([f"c {place}" for place in range(501)])))
    function = packed.functions[0]
    reference = alias_reference(packed, function, "champion", PLACES)
    assert reference == '"FORESQL"."SERVING"."PREDICT_DELAY"(OBJECT)'
    assert '(\n    "ROW" OBJECT\n)' in create_alias(packed, function, "champion", PLACES)
    written = call("f", function, [f"x{place}" for place in range(501)])
    assert written.startswith("f(OBJECT_CONSTRUCT_KEEP_NULL('c 0', x0, 'c 1', x1, ")


def test_inline_bodies_need_no_stage():
    (text, *_) = created(["distance"], is_inline=True)
    assert "IMPORTS" not in text
    assert "HANDLER = 'predict'" in text
    assert text.endswith("AS $$\nimport base64\n_ZIP = '''YQ=='''\n$$")


def test_packages_of_snowflakes_own_channel():
    assert "ARTIFACT_REPOSITORY" in created(["distance"])[0]
    assert "ARTIFACT_REPOSITORY" not in created(["distance"], repository=None)[0]


def test_the_version_is_a_function():
    release = release_of(opened(stump(["distance"]), 12))
    text = create_version_function(release, "challenger", PLACES)
    assert '"FORESQL"."SERVING"."VERSION_DELAY_CHALLENGER"()' in text
    assert "    12::NUMBER(38, 0)\n" in text
