"""Write what is made by converting every estimator's example: ``make docs``.

That is ``docs/coverage.md``, ``docs/coverage.json``, and the overview in the README between its two
marks.
"""

from __future__ import annotations

import ast
import json
import pkgutil
import sys
import warnings
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from foresql import CertificationError, UnsupportedModelError, certify, frontends
from foresql.frontends import Training, convert
from foresql.models_sql import compile_query, target_of

# The examples are the tests' own.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))
from examples import NO_TABLE, Example, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foresql.ir import Model

PAGE = Path(__file__).with_name("coverage.md")
TABLE = PAGE.with_suffix(".json")
README = Path(__file__).parents[1] / "README.md"
FRONTENDS = Path(frontends.__file__).parent
STATUSES = ("exact", "skops", "refused")
MARKS = "<!-- coverage: make docs -->\n", "<!-- /coverage -->\n"

HEAD = """\
# Coverage

<!-- Written by docs/coverage.py from the converters in frontends/: `make docs`. Do not edit. -->

What can be published, by the library's own names. Nothing is approximated:

- **exact**: read into steps, which give the library's answer on every route.
- **skops**: kept whole and run by scikit-learn itself, where you ask for it with `--opaque`.
- **refused**: by name, with the reason; nothing is stored.

**SQL** says whether plain SQL gives the same answers ([sql.md](sql.md)), in DuckDB; other dialects
may lack a function. Each of these is a test too (`tests/models_sql/test_coverage.py`).

Each row is a test (`tests/frontends/test_coverage.py`), made from one small fitted example; options
that change the answer have tests of their own, and those without an exact translation are in the
last table. The same for machines: [coverage.json](coverage.json). How to add an estimator:
[architecture.md](architecture.md).

"""
REFUSALS = """
## What is refused

By the part of the library that it concerns. `…` stands for what your model has there. Every refusal
is an `UnsupportedModelError` that names the step; nothing is stored or registered then.

| in | refused | what to do |
|---|---|---|
"""


class Found(NamedTuple):
    """What became of one example.

    ``reason`` is why it is not exact, or how it is read. ``without_sql`` is why an exact one has no
    SQL, or empty.
    """

    status: str
    reason: str
    without_sql: str = ""


def main() -> None:
    """Write the page, its table for machines, and the README's overview."""
    found = judge()
    PAGE.write_text(render_page(found))
    TABLE.write_text(render_table(found))
    README.write_text(render_readme(found))


def judge() -> dict[tuple[str, str], dict[str, Found]]:
    """Convert every example: by library and estimator, what became of it in each role."""
    found: dict[tuple[str, str], dict[str, Found]] = {}
    for example in examples():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator, frame = example.fit()
        roles = found.setdefault((example.library, example.estimator), {})
        roles[example.role] = _judged(estimator, Training.of(frame, estimator), example)
    return found


def _judged(estimator: Any, training: Training, example: Example) -> Found:
    try:
        model = convert(estimator, training)
    except UnsupportedModelError as error:
        try:
            model = convert(estimator, training, opaque=True)
            certify(model, estimator, training, rows=20, routes=("kernel",))
        except (CertificationError, UnsupportedModelError):
            return Found("refused", error.reason)
        return Found("skops", error.reason)
    return Found("exact", _summary(example), without_sql(model))


def without_sql(model: Model) -> str:
    """Say which step of a model has no SQL in DuckDB, and why; empty where all have."""
    try:
        compile_query(model, target_of("duckdb"), "rows")
    except UnsupportedModelError as error:
        return f"{error.step.partition(' in SQL for ')[0]}: {error.reason}"
    return ""


def _summary(example: Example) -> str:
    """Give the first line of a converter's docstring, with Markdown's code quotes."""
    table = {"predicts": "PREDICTORS", "transforms": "TRANSFORMERS"}[example.role]
    prefix = f"{frontends.__name__}."
    for info in pkgutil.walk_packages(frontends.__path__, prefix):
        if info.name.removeprefix(prefix).startswith(example.library):
            converter = getattr(import_module(info.name), table, {}).get(example.estimator)
            if converter is not None:
                return (converter.__doc__ or "").strip().split("\n")[0].replace("``", "`")
    return ""


def overall(roles: dict[str, Found]) -> Found:
    """Give the weakest of an estimator's roles."""
    return max(roles.values(), key=lambda found: STATUSES.index(found.status))


def has_sql(roles: dict[str, Found]) -> bool:
    """Whether an estimator is exact and has SQL in all of its roles."""
    return all(found.status == "exact" and not found.without_sql for found in roles.values())


def render_table(found: dict[tuple[str, str], dict[str, Found]]) -> str:
    """Give the table for machines: by library and estimator its status, and the reason."""
    table: dict[str, dict[str, Any]] = {}
    for (library, estimator), roles in found.items():
        status, reason, _ = overall(roles)
        lacking = {role: each.without_sql for role, each in roles.items() if each.without_sql}
        table.setdefault(library, {})[estimator] = {
            "status": status,
            "sql": status == "exact" and not lacking,
            "without_sql": lacking,
            "reason": None if status == "exact" else reason,
        }
    table["sklearn"] |= {
        name: {"status": "refused", "sql": False, "without_sql": {}, "reason": reason}
        for name, reason in NO_TABLE.items()
    }
    return json.dumps(table, indent=2, sort_keys=True) + "\n"


def render_page(found: dict[tuple[str, str], dict[str, Found]]) -> str:
    """Give the page's text."""
    parts = [HEAD, _counts(found), *_sections(found), *_no_table(), REFUSALS, *_refusals()]
    return "".join(parts)


def render_readme(found: dict[tuple[str, str], dict[str, Found]]) -> str:
    """Give the README's text with the overview as it should be."""
    before, _, rest = README.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return before + MARKS[0] + "\n" + _counts(found) + "\n" + MARKS[1] + after


def _counts(found: dict[tuple[str, str], dict[str, Found]]) -> str:
    text = (
        "| library | estimators for tables | exact | as SQL too | by skops | refused |\n"
        "|---|---|---|---|---|---|\n"
    )
    for library in dict.fromkeys(library for library, _ in found):
        statuses = Counter(
            overall(roles).status for (each, _), roles in found.items() if each == library
        )
        exact, skops, refused = (statuses[status] for status in STATUSES)
        total = statuses.total()
        in_sql = sum(has_sql(roles) for (each, _), roles in found.items() if each == library)
        text += (
            f"| `{library}` | {total} | {exact} ({exact / total:.0%}) "
            f"| {in_sql} ({in_sql / max(exact, 1):.0%} of these) | {skops} | {refused} |\n"
        )
    return text


def _sections(found: dict[tuple[str, str], dict[str, Found]]) -> Iterator[str]:
    for library in dict.fromkeys(library for library, _ in found):
        yield f"\n## `{library}`\n\n"
        yield "| estimator | as | status | SQL | how it is read, or why it is not |\n"
        yield "|---|---|---|---|---|\n"
        for (each, estimator), roles in sorted(found.items()):
            for role, (status, reason, lacking) in roles.items() if each == library else ():
                sql = "" if status != "exact" else f"no: {lacking}" if lacking else "yes"
                shown = " | ".join(cell.replace("|", "\\|") for cell in (sql, reason))
                yield f"| `{estimator}` | {role} | {status} | {shown} |\n"


def _no_table() -> Iterator[str]:
    yield "\n## What cannot score a table\n\n| scikit-learn | reason |\n|---|---|\n"
    for name, reason in sorted(NO_TABLE.items()):
        yield f"| `{name}` | {reason} |\n"


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
