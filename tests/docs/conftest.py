"""The pages, and what runs in them: code blocks, in the order in which a reader meets them.

A comment right above a block says how it runs:

- ``<!-- not run: why -->``
- ``<!-- fails: 3 -->``: a console block whose commands end with this code
- ``<!-- raises: ScoringError -->``: a Python or SQL block that ends with this error
- ``<!-- file: models/scored.sql -->``: the block is a file that the reader makes

A page that starts a server keeps its process in ``NAME.pid`` until it ends it; where the page fails
before that, the server is ended with it.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/*.md"))]
_BLOCK = re.compile(
    r"(?P<marks>(?:^<!--.*?-->\n)*)^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- (not run|fails|raises|file): (.+?) -->")


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    marks: dict[str, str]


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(found["language"], found["code"], dict(_MARK.findall(found["marks"])))
            for found in _BLOCK.finditer(self.text)
        ]


@dataclass
class Reader:
    """Somebody who does everything that a page says, from top to bottom, in an empty folder."""

    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def follow(self, block: Block) -> None:
        if "file" in block.marks:
            path = self.folder / block.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code)
        elif "not run" not in block.marks:
            run = {"python": self.run_python, "sql": self.run_sql, "console": self.run_console}
            run.get(block.language, lambda _: None)(block)

    def run_python(self, block: Block) -> None:
        with expecting(block.marks.get("raises")):
            exec(compile(block.code, "<page>", "exec"), self.names)  # noqa: S102 - our own pages

    def run_sql(self, block: Block) -> None:
        with expecting(block.marks.get("raises")):
            self.names["con"].execute(block.code).fetchall()

    def run_console(self, block: Block) -> None:
        for command, shown in commands_of(block.code):
            done = shell(command, self.folder)
            printed = done.stdout + done.stderr
            assert done.returncode == int(block.marks.get("fails", 0)), f"{command}\n{printed}"
            check_printed(command, shown, printed)

    def end(self) -> None:
        """Close connections, and end servers that a page which failed did not come to end."""
        for value in self.names.values():
            if type(value).__name__ == "DuckDBPyConnection":
                value.close()
        for path in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGKILL)


@contextmanager
def expecting(kind: str | None) -> Iterator[None]:
    """Expect an error; one inside a function is DuckDB's own, with ours in its text."""
    if kind is None:
        yield
        return
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its name is checked below
        yield
    assert kind in f"{caught.type.__name__}: {caught.value}"


def commands_of(code: str) -> Iterator[tuple[str, list[str]]]:
    """Pairs of a command and the lines that the page shows as its output."""
    joined = code.replace("\\\n", "")
    for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, [line for line in shown if line.strip()]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    scripts = str(Path(sys.executable).parent)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DBT_", "FORESQL_", "PYTEST_"))
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment
        | {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def check_printed(command: str, shown: list[str], printed: str) -> None:
    """Find each shown line, in this order; an ellipsis stands for any text."""
    lines = iter(printed.splitlines())
    for line in shown:
        pattern = re.sub(r"([\[*?])", r"[\1]", line.strip()).replace("…", "*")
        assert any(fnmatchcase(each.strip(), pattern) for each in lines), (
            f"$ {command}\ndoes not print\n{line}\nbut\n{printed}"
        )


@pytest.fixture(scope="session", params=PAGES, ids=lambda path: path.name)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param)


@pytest.fixture(scope="session")
def all_text() -> str:
    return "\n".join(path.read_text() for path in PAGES)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in list(os.environ):
        if name.startswith("FORESQL_"):
            monkeypatch.delenv(name)
    reader = Reader(tmp_path)
    yield reader
    reader.end()
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
