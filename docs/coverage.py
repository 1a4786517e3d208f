"""Write what is made from the converters' own tables and refusals: ``make docs``.

That is the page ``docs/coverage.md``, and the table of the README between its two marks.
"""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from foresql import frontends

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("coverage.md")
README = Path(__file__).parents[1] / "README.md"
FRONTENDS = Path(frontends.__file__).parent
MARKS = "<!-- coverage: make docs -->\n", "<!-- /coverage -->\n"

HEAD = """\
# Coverage

<!-- Written by docs/coverage.py from the converters in frontends/: `make docs`. Do not edit. -->

What can be published, by the library's own names. An estimator that is not listed is refused by
name; nothing is approximated. How to add one: [architecture.md](architecture.md).
"""
REFUSALS = """
## What is refused

By the part of the library that it concerns. `…` stands for what your model has there. Every refusal
is an `UnsupportedModelError` that names the step; nothing is stored or registered then.

| in | refused | what to do |
|---|---|---|
"""


class Covered(NamedTuple):
    """An estimator that has a converter."""

    estimator: str
    role: str
    converter: Any


def main() -> None:
    """Write the page, and the README's table."""
    PAGE.write_text(render_page())
    README.write_text(render_readme())


def render_page() -> str:
    """Give the page's text."""
    return HEAD + "".join(_sections()) + REFUSALS + "".join(_refusals())


def render_readme() -> str:
    """Give the README's text with the table as it should be."""
    before, _, rest = README.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return before + MARKS[0] + "\n" + "".join(_overview()) + "\n" + MARKS[1] + after


def _covered() -> Iterator[tuple[str, list[Covered]]]:
    """List the library modules that have converters, each with its estimators."""
    prefix = f"{frontends.__name__}."
    for name in sorted(info.name for info in pkgutil.walk_packages(frontends.__path__, prefix)):
        module = import_module(name)
        found = [
            Covered(estimator, role, converter)
            for role, table in (("predicts", "PREDICTORS"), ("transforms", "TRANSFORMERS"))
            for estimator, converter in getattr(module, table, {}).items()
        ]
        if found:
            yield name.removeprefix(prefix), sorted(found, key=lambda row: row[:2])


def _overview() -> Iterator[str]:
    yield "| module | estimators |\n|---|---|\n"
    for module, rows in _covered():
        names = dict.fromkeys(f"`{row.estimator}`" for row in rows)
        yield f"| `{module}` | {', '.join(names)} |\n"


def _sections() -> Iterator[str]:
    for module, rows in _covered():
        yield f"\n## `{module}`\n\n| estimator | as | how it is read |\n|---|---|---|\n"
        for row in rows:
            yield f"| `{row.estimator}` | {row.role} | {_summary(row.converter)} |\n"


def _summary(converter: Any) -> str:
    """Give the first line of a docstring, with Markdown's code quotes."""
    return (converter.__doc__ or "").strip().split("\n")[0].replace("``", "`")


def _refusals() -> Iterator[str]:
    rows: dict[str, None] = {}
    for path in sorted(FRONTENDS.rglob("*.py")):
        place = _place(path.relative_to(FRONTENDS))
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".refuse")
        ]
        # convert.py refuses what is in no table, and what was never fitted: no row for that.
        for call in sorted(calls, key=lambda call: call.lineno) if place != "`convert`" else ():
            reason, way_out = (_template(argument) for argument in call.args)
            if reason != "…":  # made elsewhere
                rows[f"| {place} | {reason} | {way_out} |\n"] = None
    yield from rows


def _place(path: Path) -> str:
    """Name the library module that a file reads: ``lightgbm_text.py`` belongs to ``lightgbm``."""
    if path.name == "graph.py":
        return "any estimator"
    folder, name = path.parts[:-1], path.stem
    return f"`{'.'.join((*folder, name)) if folder else name.partition('_')[0]}`"


def _template(text: ast.expr) -> str:
    """Write a message with an ellipsis for each value that is put into it."""
    match text:
        case ast.Constant(value=str(value)):
            return value.replace("|", "\\|")
        case ast.JoinedStr(values=parts):
            return "".join(_template(part) for part in parts)
        case _:
            return "…"


if __name__ == "__main__":
    main()
