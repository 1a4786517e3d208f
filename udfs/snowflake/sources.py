"""Which of our own modules run one model in Snowflake, found from what they import.

Imports between modules of this package are relative, so a copy of some of them works under any
name. Modules for other kinds of step, Arrow, and the native kernel stay behind.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2]

EMPTY = {
    "kernels/__init__.py": '"""The numpy kernel."""\n',
}
"""Packages whose own ``__init__`` would import what is not shipped."""


def collect_sources(
    roots: tuple[str, ...], steps: frozenset[str], without: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Give the text of the roots and of all that they import, by path.

    Parameters
    ----------
    roots
        Paths below the package, such as ``udfs/answers.py``.
    steps
        The kinds of step that the model has. Imports inside ``case s.Forest():`` count where
        ``Forest`` is one of them.
    without
        Paths that are never imported with this model.
    """
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path in found or path in without:
            continue
        found[path], tree = _read(path)
        waiting += _imports(path, tree, steps)
    return dict(sorted(found.items()))


@cache
def _read(path: str) -> tuple[str, ast.Module]:
    # Line ends differ by how the repository was cloned; what is shipped must not.
    text = EMPTY.get(path) or "\n".join((PACKAGE / path).read_text("utf-8").splitlines()) + "\n"
    return text, ast.parse(text)


def _imports(path: str, tree: ast.Module, steps: frozenset[str]) -> Iterator[str]:
    yield from ((parent / "__init__.py").as_posix() for parent in Path(path).parents if parent.name)
    for node in _statements(tree, steps):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from _targets(Path(path).parents[node.level - 1], node)


def _targets(start: Path, node: ast.ImportFrom) -> Iterator[str]:
    """``from .a import b`` imports the module a, and b where that is a module too."""
    place = start.joinpath(*(node.module or "").split("."))
    for candidate in (place, *(place / alias.name for alias in node.names)):
        for path in (candidate.with_suffix(".py"), candidate / "__init__.py"):
            if candidate.name and (PACKAGE / path).is_file():
                yield path.as_posix()


def _statements(node: ast.AST, steps: frozenset[str]) -> Iterator[ast.AST]:
    """Walk what may run with such a model, and not what is for the type checker only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.match_case) and not _may_match(child.pattern, steps):
            continue
        yield child
        yield from _statements(child, steps)


def _may_match(pattern: ast.pattern, steps: frozenset[str]) -> bool:
    """Whether a pattern names one of the steps, or no steps at all."""
    named = {
        part.cls.attr
        for part in ast.walk(pattern)
        if isinstance(part, ast.MatchClass) and isinstance(part.cls, ast.Attribute)
    }
    return not named or bool(named & steps)
