"""The SQL of two models in every dialect, side by side with what was reviewed.

Regenerate by ``FORESQL_GOLDEN=write pytest tests/models_sql/test_golden.py`` and read the diff.
"""

import importlib.util
import os
from pathlib import Path

import pytest
import sqlglot
from sqlfluff.core import FluffConfig, Linter, dialect_readout

from foresql.models_sql import Header, Statement, targets, write_statement

FOLDER = Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("made", FOLDER / "models.py")
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

HEADER = Header(
    model="delay:3", digest="0" * 64, certified_rows=12_345, certified_routes=("kernel",)
)
FLUFF = {
    name: {"spark": "sparksql"}.get(name, name)
    for name in sorted(targets())
    if name != "datafusion"
}
"""sqlfluff's names of targets; it has none for DataFusion."""


def written(target, model):
    statement = Statement(form="view", name="scored", source="flights", keep=("id",))
    return write_statement(made.MODELS[model](), targets()[target], statement, HEADER) + "\n"


@pytest.mark.parametrize("model", made.MODELS)
@pytest.mark.parametrize("target", sorted(targets()))
def test_statement(target, model):
    path = FOLDER / "golden" / f"{model}.{target}.sql"
    if os.environ.get("FORESQL_GOLDEN") == "write":
        path.write_text(written(target, model))
    assert written(target, model) == path.read_text()
    assert len(sqlglot.parse(path.read_text(), dialect=targets()[target].dialect)) == 1


def test_every_golden_file_belongs_to_a_target():
    names = {path.name for path in (FOLDER / "golden").iterdir()}
    assert names == {f"{model}.{target}.sql" for model in made.MODELS for target in targets()}


@pytest.mark.parametrize("target", FLUFF)
def test_sqlfluff_parses_every_word(target):
    linter = Linter(config=FluffConfig(overrides={"dialect": FLUFF[target]}))
    for model in made.MODELS:
        text = (FOLDER / "golden" / f"{model}.{target}.sql").read_text()
        if target == "trino":
            # It takes a backslash for an escape, which it is not in Trino.
            text = text.replace("\\'", "'")
        parsed = linter.parse_string(text)
        assert parsed.violations == []
        assert list(parsed.tree.recursive_crawl("unparsable")) == []


def test_sqlfluff_has_no_dialect_for_datafusion():
    assert "datafusion" not in {dialect.label for dialect in dialect_readout()}
