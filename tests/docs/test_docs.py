"""What a reader of the pages does works."""

import code
import contextlib
import io
import re
import runpy
import signal
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
KNOWN_LANGUAGES = {"", "console", "json", "python", "sh", "sql", "text", "toml", "yaml"}


def test_every_block_runs(page, reader):
    for block in page.blocks:
        reader.follow(block)


def test_a_server_ends_though_its_page_fails(reader):
    with subprocess.Popen(["sleep", "600"]) as server:
        try:
            (reader.folder / "server.pid").write_text(f"{server.pid}\n")
            reader.end()
            assert server.wait(10) == -signal.SIGKILL
        finally:
            server.kill()


def test_blocks_are_of_languages_that_are_known(page):
    for block in page.blocks:
        assert block.language in KNOWN_LANGUAGES, block
        if block.language == "console":
            assert block.code.startswith("$ "), block


def test_the_first_five_minutes_typed_line_by_line(reader):
    """As in a Python session: the last of the three lines shows the predictions."""
    readme = (REPOSITORY / "README.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[:2]
    lines = [line for line in snippets[1].splitlines() if line]
    assert [line.split("(")[0] for line in lines] == [
        "import duckdb, foresql",
        "foresql.register",
        "con.sql",
    ]
    printed = io.StringIO()
    console = code.InteractiveConsole(reader.names)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        for line in "".join(snippets).splitlines():
            more = console.push(line)
    assert not more
    assert "predict(t)" in printed.getvalue()
    assert "Traceback" not in printed.getvalue()


def test_coverage_is_what_the_converters_are():
    script = runpy.run_path(str(REPOSITORY / "docs/coverage.py"))
    found = script["judge"]()
    for file, render in (
        ("docs/coverage.md", "render_page"),
        ("docs/coverage.json", "render_table"),
        ("README.md", "render_readme"),
    ):
        assert (REPOSITORY / file).read_text() == script[render](found), "run: make docs"


@pytest.mark.parametrize("name", ["kernel", "duckdb_udf"])
def test_figures_name_the_cases_of_their_benchmark(name):
    readme = (REPOSITORY / "README.md").read_text()
    section = readme.split(f"<!-- figures:{name} -->")[1].split("<!-- /figures -->")[0]
    source = (REPOSITORY / f"benchmarks/{name}.py").read_text()
    assert f"benchmarks/{name}.py" in section
    for case in re.findall(r"^\| (\d[^|]*?) \|", section, re.MULTILINE):
        assert case in source, case
