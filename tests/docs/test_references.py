"""What the pages name is there, and what is there is named."""

import ast
import importlib
import importlib.util
import re
import runpy
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor

import foresql
from foresql.certify.gate import EVERY_ROUTE
from foresql.certify.probes import make_probes
from foresql.cli import main
from foresql.frontends import Training, convert
from foresql.ir.steps import Step

REPOSITORY = Path(__file__).parents[2]
COMMANDS = {
    " ".join((name, *below)): found
    for name, command in sorted(main.commands.items())
    for below, found in [
        ((), command),
        *(((each,), part) for each, part in getattr(command, "commands", {}).items()),
    ]
}


def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.text):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        path = page.path.parent / file if file else page.path
        assert path.exists(), f"{page.path.name}: {target}"
        if heading:
            assert heading in headings_of(path.read_text()), f"{page.path.name}: {target}"


def headings_of(text: str) -> set[str]:
    """Anchors as they are made on code hosts: lower case, dashes for spaces, no punctuation."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_and_its_options_are_documented(command, all_text):
    assert re.search(rf"foresql {command}\b", all_text)
    for parameter in COMMANDS[command].params:
        for option in parameter.opts:
            assert not option.startswith("--") or option in all_text, option


@pytest.mark.parametrize("name", foresql.__all__)
def test_public_name_is_documented(name, all_text):
    assert re.search(rf"`(?:foresql\.)?{name}\b|foresql\.{name}\(", all_text)


@cache
def in_the_warehouse():
    """What `foresql.` stands before in SQL and dbt: tables, and the package's macros and tests."""
    package = REPOSITORY / "dbt_project/foresql_package"
    found = {"runs", "run_tables", "models", "model_columns", "prediction_lineage"}
    found |= {"dead_letters", "event_positions", "spark_batches"}
    for path in package.rglob("*.sql"):
        found.update(re.findall(r"{% (?:macro|test) (\w+)", path.read_text()))
    return found


def test_named_objects_exist(page):
    for dotted in re.findall(r"\bforesql((?:\.[A-Za-z_]\w*)+)\(", page.text):
        if dotted[1:] in in_the_warehouse():
            continue
        module, _, name = f"foresql{dotted}".rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:  # a class's method
            module, _, of = module.rpartition(".")
            found = getattr(getattr(importlib.import_module(module), of), name)
        assert callable(found)


def test_named_modules_exist(page):
    for name in re.findall(r"`(foresql(?:\.[a-z_]+)+)`", page.text):
        if name.removeprefix("foresql.") in in_the_warehouse():
            continue
        parent, _, last = name.rpartition(".")
        module = importlib.import_module(parent)
        assert hasattr(module, last) or importlib.util.find_spec(name), name


def test_named_files_exist(page):
    """Paths in code quotes: of the repository, or of files that the reader makes."""
    made = {block.marks["file"] for block in page.blocks if "file" in block.marks}
    for name in re.findall(r"`((?:[a-z_]+/)+[\w.]+\.(?:c|h|md|py|sql|yml))`", page.text):
        places = (REPOSITORY / name, REPOSITORY / "dbt_project" / name)
        assert name in made or any(place.exists() for place in places), name


def test_every_step_is_named():
    page = (REPOSITORY / "docs/bundle-format.md").read_text()
    named = re.search(r"^Steps: (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", named[1])) == {step.__name__ for step in get_args(Step)}


def test_every_route_is_named():
    page = (REPOSITORY / "docs/exactness.md").read_text()
    table = re.search(r"\| route \|.*?\n\n", page, re.DOTALL)[0]
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE) == ["route", *EVERY_ROUTE]


def test_every_group_of_probe_rows_is_named():
    page = (REPOSITORY / "docs/exactness.md").read_text()
    table = re.search(r"\| group \|.*?\n\n", page, re.DOTALL)[0]
    named = set(re.findall(r"^\| ([\w ]+) \|", table, re.MULTILINE)) - {"group"}
    sources = (REPOSITORY / f"certify/{name}.py" for name in ("probes", "split_probes"))
    literals = {
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert named <= literals
    frame = pd.DataFrame({"x": np.arange(300.0), "c": pd.Categorical(["a", "b", "c"] * 100)})
    model = LGBMRegressor(n_estimators=2, verbose=-1).fit(frame, frame["x"])
    training = Training.of(frame, model)
    probes = make_probes(convert(model, training), training.table, 100, seed=1)
    assert {probe.name for probe in probes} <= named


def test_the_picture_of_the_folders_is_true():
    page = (REPOSITORY / "docs/architecture.md").read_text()
    drawn = re.findall(r"^([\w.]+/?)  +", page.split("```")[1], re.MULTILINE)
    folders = {f"{path.parent.name}/" for path in REPOSITORY.glob("*/__init__.py")}
    assert folders <= set(drawn)
    assert [name for name in drawn if not (REPOSITORY / name).exists()] == []


def test_levels_are_those_of_the_import_rule():
    page = (REPOSITORY / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| \d \| (.*) \|$", page, re.MULTILINE)
    rule = runpy.run_path(str(REPOSITORY / "tests/architecture/test_imports.py"))
    there = [[name for name in level if (REPOSITORY / name).is_dir()] for level in rule["LEVELS"]]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [level for level in there if level]
