"""The fake account itself: what the other tests rest on."""

import io
import zipfile

import pytest
from snowflake_account import Account
from snowflake_functions import NotEmulatedError

from foresql.errors import AccountError

MODULE = """
import numpy, pandas
SEEN = []

def predict(frame):
    SEEN.append(len(frame))
    return frame[0] * 2 + (frame[1] == "UA").astype(float).fillna(0)

def lengths(frame):
    return [{"rows": len(frame), "types": [str(t) for t in frame.dtypes]}] * len(frame)

predict._sf_vectorized_input = lengths._sf_vectorized_input = pandas.DataFrame
"""
STAGE = '@"FORESQL"."MODELS"."BUNDLES"/delay/v1-abc/delay_v1.zip'
CREATE = """CREATE OR REPLACE SECURE FUNCTION "FORESQL"."MODELS"."{name}"(
"DISTANCE" FLOAT, "Origin" VARCHAR)
COPY GRANTS RETURNS {returns} LANGUAGE PYTHON CALLED ON NULL INPUT IMMUTABLE
RUNTIME_VERSION = '3.11'
ARTIFACT_REPOSITORY = snowflake.snowpark.pypi_shared_repository
PACKAGES = ('numpy==2.2.6', 'pandas==2.2.3')
IMPORTS = ('{stage}')
HANDLER = 'delay_v1.{entry}'
COMMENT = 'sha256:1234'"""


def zipped(text):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("delay_v1.py", text)
    return content.getvalue()


@pytest.fixture
def account():
    account = Account()
    for sql in (
        'CREATE SCHEMA IF NOT EXISTS "FORESQL"."MODELS"',
        'CREATE SCHEMA IF NOT EXISTS "FORESQL"."SERVING"',
        'CREATE STAGE IF NOT EXISTS "FORESQL"."MODELS"."BUNDLES"',
    ):
        account.session.run(sql)
    account.session.upload(zipped(MODULE), STAGE)
    yield account
    account.close()


def create(account, name="PREDICT_DELAY_V1", entry="predict", returns="FLOAT", stage=STAGE):
    sql = CREATE.format(name=name, entry=entry, returns=returns, stage=stage)
    account.session.run(sql)


ALIAS = """CREATE OR REPLACE FUNCTION "FORESQL"."SERVING"."PREDICT_DELAY"(
"DISTANCE" FLOAT, "Origin" VARCHAR)
COPY GRANTS RETURNS FLOAT LANGUAGE SQL IMMUTABLE AS
$$ "FORESQL"."MODELS"."PREDICT_DELAY_V1"("DISTANCE", "Origin") $$"""


def test_uploaded_handler_answers_behind_both_names(account):
    create(account)
    account.session.run(ALIAS)
    account.session.run("CREATE TABLE f (distance FLOAT, origin VARCHAR)")
    account.session.run("INSERT INTO f VALUES (1.5, 'UA'), (NULL, 'UA'), (2, NULL)")
    query = "SELECT FORESQL.SERVING.PREDICT_DELAY(distance, origin) AS p FROM f ORDER BY distance"
    rows = account.session.run(query)
    assert [str(p) for (p,) in rows] == ["4.0", "4.0", "nan"]
    assert account.session.columns == ["P"]
    quoted = 'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(2::FLOAT, \'UA\')'
    assert account.session.run(quoted) == [(5.0,)]
    named = "SELECT FORESQL.SERVING.PREDICT_DELAY(\"Origin\" => 'UA', distance => 3)"
    assert account.session.run(named) == [(7.0,)]


def test_batches_are_ragged_and_typed(account):
    create(account, "LENGTHS", "lengths", "OBJECT")
    account.session.run("CREATE TABLE f AS SELECT SEQ4() AS i FROM TABLE(GENERATOR(ROWCOUNT => 0))")
    account.session.run("DROP TABLE f")
    account.session.run("CREATE TABLE f (x FLOAT)")
    account.session.run("INSERT INTO f VALUES " + ", ".join(f"({i})" for i in range(100)))
    query = "SELECT FORESQL.MODELS.LENGTHS(x, 'a'):rows::INT, COUNT(*) FROM f GROUP BY 1 ORDER BY 1"
    assert account.session.run(query) == [(1, 1), (2, 2), (3, 3), (30, 30), (64, 64)]
    types = account.session.run("SELECT FORESQL.MODELS.LENGTHS(1, 'a'):types[1]::VARCHAR")
    assert types == [("string",)]


def test_functions_do_not_share_modules_nor_see_ours(account):
    create(account)
    other = STAGE.replace("v1-abc", "v1-other")
    account.session.upload(zipped(MODULE.replace("* 2", "* 3")), other)
    create(account, "PREDICT_OTHER", stage=other)
    query = "SELECT FORESQL.MODELS.PREDICT_DELAY_V1(1, ''), FORESQL.MODELS.PREDICT_OTHER(1, '')"
    assert account.session.run(query) == [(2.0, 3.0)]
    bad = STAGE.replace("v1-abc", "v1-bad")
    account.session.upload(zipped("import lightgbm\n" + MODULE), bad)
    with pytest.raises(AccountError, match=r"100357(.|\n)*lightgbm"):
        create(account, "PREDICT_BAD", stage=bad)


def test_inline_body(account):
    body = MODULE.replace("delay_v1", "x")
    sql = CREATE.format(name="INLINE", entry="predict", returns="FLOAT", stage=STAGE)
    sql = sql.replace(f"IMPORTS = ('{STAGE}')\n", "").replace("delay_v1.predict", "predict")
    account.session.run(f"{sql} AS $${body}$$")
    assert account.session.run("SELECT FORESQL.MODELS.INLINE(1, 'UA')") == [(3.0,)]


def test_information_schema_lists_functions(account):
    create(account)
    query = (
        'SELECT function_name, comment, is_secure, imports FROM "FORESQL".INFORMATION_SCHEMA.'
        "FUNCTIONS WHERE function_schema = 'MODELS'"
    )
    assert account.session.run(query) == [
        ("PREDICT_DELAY_V1", "sha256:1234", "YES", f"[{STAGE}]"),
    ]
    drop = 'DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_DELAY_V1"(FLOAT, VARCHAR)'
    account.session.run(drop)
    assert account.session.run(query) == []
    with pytest.raises(AccountError, match="002003"):
        account.session.run(drop.replace("IF EXISTS ", ""))


def test_an_overload_stays_when_another_is_replaced(account):
    create(account)
    account.session.run(ALIAS)
    wider = ALIAS.replace('"Origin" VARCHAR)', '"Origin" VARCHAR, "N" FLOAT)')
    account.session.run(wider.replace("$$ ", "$$ 1 + "))
    assert account.session.run("SELECT SERVING.PREDICT_DELAY(1, '')") == [(2.0,)]
    assert account.session.run("SELECT SERVING.PREDICT_DELAY(1, '', 0)") == [(3.0,)]
    same = ALIAS.replace('"Origin" VARCHAR)', '"Origin" FLOAT)')
    with pytest.raises(NotEmulatedError, match="as many arguments"):
        account.session.run(same)
    assert account.session.run("SELECT SERVING.PREDICT_DELAY(1, '')") == [(2.0,)]


def test_refusals(account):
    account.fail_on(r"^GRANT", "refused", times=1)
    grant = 'GRANT USAGE ON SCHEMA "FORESQL"."MODELS" TO ROLE "FORESQL_CALLER"'
    with pytest.raises(AccountError, match=r"003001 \(42501\).*\n.*\n  Statement: GRANT USAGE"):
        account.session.run(grant)
    account.session.run(grant)
    assert account.grants == [grant]
    account.warehouse = None
    with pytest.raises(AccountError, match="name a warehouse"):
        account.session.run("SELECT 1")
    with pytest.raises(AccountError, match="001003"):
        account.session.run("GRANT NONSENSE TO TO")


def test_what_is_not_known_is_refused(account):
    with pytest.raises(NotEmulatedError, match="LANGUAGE JAVASCRIPT"):
        account.session.run("CREATE FUNCTION f(a FLOAT) RETURNS FLOAT LANGUAGE JAVASCRIPT AS 'x'")
    for sql in ("CALL SYSTEM$WAIT(1)", "CREATE NETWORK POLICY x"):
        with pytest.raises((AccountError, NotEmulatedError)):
            account.session.run(sql)
