"""Each claim about Snowflake rests on what is there: tests that run, checks of the doctor."""

import ast
import os
from pathlib import Path

import pytest

from foresql.deploy.snowflake.claims import CLAIMS, claims_table
from foresql.deploy.snowflake.doctor import CHECKS
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import rights_table

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/snowflake.md"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.what[:40])
def test_evidence_is_there(claim):
    assert claim.proven or claim.documented or claim.tried
    assert claim.what.endswith(".")
    for test in claim.proven:
        path, _, name = test.partition("::")
        functions = {
            node.name: node
            for node in ast.walk(ast.parse((REPOSITORY / path).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, test
        marks = " ".join(map(ast.unparse, functions[name].decorator_list))
        assert "skip" not in marks, test
        assert "xfail" not in marks, test
    assert set(claim.tried) <= {check.name for check in CHECKS}


def test_every_check_tries_a_claim():
    tried = {name for claim in CLAIMS for name in claim.tried}
    assert tried == {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("name", "table"), [("claims", claims_table()), ("rights", rights_table(Settings()))]
)
def test_page_has_the_table(name, table):
    """`FORESQL_GOLDEN=write pytest tests/deploy/test_claims.py` writes it anew."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = PAGE.read_text("utf-8").split(begin)
    _, after = rest.split(end)
    written = f"{before}{begin}{table}{end}{after}"
    if os.environ.get("FORESQL_GOLDEN") == "write":
        PAGE.write_text(written, "utf-8")
    assert written == PAGE.read_text("utf-8")
