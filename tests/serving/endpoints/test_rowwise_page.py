# ruff: noqa: E501 - the words are a table
"""The page of row-wise queries names what is compiled, all of it, and nothing else."""

import re
from pathlib import Path

import pytest

from foresql.serving.endpoints.rowwise import (
    RowProgram,
    arithmetic,
    casts,
    compile_rowwise,
    libm,
    text,
    times,
    types,
)
from foresql.serving.endpoints.rowwise.functions import ALL
from foresql.serving.endpoints.rowwise.refusing import Refused

PAGE = Path(__file__).parents[3] / "docs" / "rowwise.md"
GROUPS = {"numbers": arithmetic, "C library": libm, "text": text, "times": times}
LOGIC = {
    "AND": "o AND p", "OR": "o OR p", "NOT": "NOT o", "IN": "i IN (1, 2)", "BETWEEN": "i BETWEEN 1 AND 2",
    "IS NULL": "i IS NULL", "IS NOT NULL": "i IS NOT NULL", "IS DISTINCT FROM": "i IS DISTINCT FROM 1",
    "IS NOT DISTINCT FROM": "i IS NOT DISTINCT FROM 1", "CASE": "CASE WHEN o THEN 1 ELSE i END",
    "COALESCE": "coalesce(i, 1)", "NULLIF": "nullif(i, 1)",
}  # fmt: skip
REFUSED = {
    "ORDER BY": "i FROM request ORDER BY i", "LIMIT": "i FROM request LIMIT 1",
    "pow": "pow(i, 2.0) FROM request",
}  # fmt: skip


def named(line):
    """What a line has in backticks."""
    return [name.replace("\\|", "|") for name in re.findall(r"`([^`]+)`", line)]


def table(heading):
    """The rows of the table below a heading, or below the row above them."""
    below = PAGE.read_text().partition(heading)[2]
    rows = re.search(r"\|---\|---\|\n((?:\|.*\n)+)", below)[1]
    return [re.split(r"(?<!\\)\|", row.strip("\n"))[1:-1] for row in rows.splitlines()]


def test_functions():
    on_the_page = {group.strip(): named(names) for group, names in table("## Functions")}
    compiled = {
        group: list(dict.fromkeys(name for each in module.FUNCTIONS for name in each.names))
        for group, module in GROUPS.items()
    }
    assert on_the_page == compiled
    assert {name for names in compiled.values() for name in names} == {
        n for f in ALL for n in f.names
    }


def test_what_is_compiled_of_a_function():
    on_the_page = {
        (name, says.strip()) for names, says in table("Of some not") for name in named(names)
    }
    assert on_the_page == {(name, each.says) for each in ALL if each.says for name in each.names}


def test_types_of_columns():
    paragraph = PAGE.read_text().partition("Columns may be")[2].partition(";")[0]
    assert named(paragraph) == list(types._READERS)


def is_cast(source, target):
    sizes = {name: types.Type(name) for name in types._READERS} | {
        "DECIMAL": types.Type("DECIMAL", 9, 2)
    }
    wanted = types.Type("DECIMAL", 18, 4) if target == "DECIMAL" else sizes[target]
    try:
        casts.cast(types.Value(sizes[source], lambda _: None), wanted, is_try=False)
    except Refused:
        return False
    return True


def test_casts():
    integers = [name for name in types.RANGES if name != "HUGEINT"]
    on_the_page = {
        (source, target)
        for sources, targets in table("Casts, integers")
        for source in named(sources)
        for target in named(targets) + (integers if "integers" in targets else [])
        if source != target or source == "DECIMAL"
    }
    pairs = {(a, b) for a in types._READERS for b in types._READERS if a != b or a == "DECIMAL"}
    assert on_the_page == {pair for pair in pairs if is_cast(*pair)}


@pytest.mark.parametrize("word", LOGIC)
def test_logic(word):
    request = {"i": "INTEGER", "o": "BOOLEAN", "p": "BOOLEAN"}
    found = compile_rowwise(f"SELECT {LOGIC[word]} AS a FROM request", request, {}, {})
    assert isinstance(found, RowProgram), found


def test_words_of_logic_and_of_what_is_refused():
    [logic] = [names for group, names in table("All else is named") if group.strip() == "logic"]
    assert named(logic) == list(LOGIC)
    refused = PAGE.read_text().partition("Refused:")[2].partition("\n\n")[0]
    assert {word for word in named(refused) if "…" not in word} == set(REFUSED)
    for rest in REFUSED.values():
        found = compile_rowwise(f"SELECT {rest}", {"i": "INTEGER"}, {}, {})
        assert not isinstance(found, RowProgram)
